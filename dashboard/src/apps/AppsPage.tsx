import { Button, Group, SegmentedControl, TextInput } from '@mantine/core'
import { IconPlus, IconSearch } from '@tabler/icons-react'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { App } from '../api/client'
import { useAction, useApps } from '../api/queries'
import { Ago, Fault, Head, Loading } from '../ui/parts'
import { Status } from '../ui/Status'
import { shortCommit, shortSource } from '../ui/words'
import { StatusDetail } from './StatusDetail'

const STATES = ['all', 'running', 'building', 'failed', 'stopped']

export function AppsPage() {
  const apps = useApps()
  const [search, setSearch] = useState('')
  const [state, setState] = useState('all')
  if (apps.isPending) return <Loading of="cards" head />
  if (apps.isError) return <Fault page error={apps.error} retry={() => void apps.refetch()} />
  if (!apps.data.length) return <NoApps />
  const wanted = search.toLowerCase()
  const shown = apps.data.filter(
    app =>
      (state === 'all' || app.status === state) &&
      `${app.name} ${app.url} ${app.gitRepo}`.toLowerCase().includes(wanted),
  )
  return (
    <>
      <Head
        title="Apps"
        truth={sentence(apps.data)}
        actions={
          <Button component={Link} to="/new" leftSection={<IconPlus size={16} />}>
            New app
          </Button>
        }
      />
      <Group mb="md" gap="sm">
        <TextInput
          aria-label="Filter apps"
          placeholder="Filter by name, domain or repository"
          leftSection={<IconSearch size={16} />}
          value={search}
          onChange={event => setSearch(event.currentTarget.value)}
          data-page-search
          w={{ base: '100%', sm: 320 }}
        />
        <SegmentedControl
          aria-label="Status"
          size="xs"
          value={state}
          onChange={setState}
          data={STATES.map(value => ({ value, label: value[0]!.toUpperCase() + value.slice(1) }))}
        />
      </Group>
      {shown.length ? (
        <div className="cards">
          {shown.map(app => (
            <AppCard key={app.id} app={app} />
          ))}
        </div>
      ) : (
        <div className="panel empty">
          <h2>No app matches</h2>
          <p>Change the filter to see the others.</p>
        </div>
      )}
    </>
  )
}

function sentence(apps: App[]) {
  const failed = apps.filter(app => app.status === 'failed')
  const building = apps.filter(app => app.status === 'building').length
  if (failed.length)
    return `${failed
      .map(app => app.name)
      .slice(0, 3)
      .join(', ')} ${failed.length === 1 ? 'needs' : 'need'} attention.`
  if (building) return `${building} of ${apps.length} ${building === 1 ? 'is' : 'are'} being built.`
  const running = apps.filter(app => app.status === 'running').length
  if (apps.length === 1 && running) return 'It runs.'
  return running === apps.length ? `All ${apps.length} run.` : `${running} of ${apps.length} run.`
}

export function AppCard({ app }: { app: App }) {
  return (
    <Link to="/apps/$appId" params={{ appId: app.id }} search={{ tab: 'overview' }} className="panel card">
      <div className="row">
        <strong>{app.name}</strong>
        <Status status={app.status} />
      </div>
      <div className="dim cut">{app.url.replace(/^https?:\/\//, '') || 'serves no requests'}</div>
      {app.statusDetail && (app.status === 'running' || app.status === 'failed') && (
        <div className="dim" style={{ marginTop: 4 }}>
          <StatusDetail app={app} />
        </div>
      )}
      <div className="row dim" style={{ marginTop: 'auto', paddingTop: 12 }}>
        <span className="cut">
          {app.activeCommit ? (
            <>
              <code>{shortCommit(app.activeCommit)}</code> <bdi>{app.activeCommitMsg}</bdi>
            </>
          ) : (
            shortSource(app.gitRepo)
          )}
        </span>
        {app.latestDeployment && <Ago at={app.latestDeployment.createdAt} />}
      </div>
    </Link>
  )
}

function NoApps() {
  const navigate = useNavigate()
  const deploy = useAction<{ deploymentId: string }>('/api/deploy')
  const sample = async () => {
    const { deploymentId } = await deploy.mutateAsync({
      name: 'hello',
      gitRepo: 'sample:hello-python',
      healthPath: '/health',
    })
    await navigate({ to: '/deployments/$deploymentId', params: { deploymentId } })
  }
  return (
    <>
      <Head title="Apps" truth="Nothing is deployed yet." />
      <div className="panel empty">
        <h2>Bring your first app</h2>
        <p>Give a Git repository and watch it being built; or look first how it goes with a sample.</p>
        <Group justify="center">
          <Button component={Link} to="/new" leftSection={<IconPlus size={16} />}>
            Deploy from Git
          </Button>
          <Button variant="default" loading={deploy.isPending} onClick={() => void sample()}>
            Deploy the sample
          </Button>
        </Group>
      </div>
    </>
  )
}
