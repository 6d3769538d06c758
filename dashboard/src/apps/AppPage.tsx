import { Button, Tabs, Text } from '@mantine/core'
import { IconExternalLink } from '@tabler/icons-react'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { App } from '../api/client'
import { tellUndo, useAction, useApp } from '../api/queries'
import { type AppTab, appRoute } from '../router'
import { Confirm, Fault, Head, Loading, Quotation } from '../ui/parts'
import { Status } from '../ui/Status'
import { DomainsTab } from './DomainsTab'
import { ResourcesTab } from './ResourcesTab'
import { DeploymentsTab, LogsTab, OverviewTab } from './readTabs'
import { SettingsTab } from './SettingsTab'
import { StatusDetail } from './StatusDetail'
import { VariablesTab } from './VariablesTab'

const TABS: { value: AppTab; label: string; view: (props: { app: App }) => React.ReactNode }[] = [
  { value: 'overview', label: 'Overview', view: OverviewTab },
  { value: 'deployments', label: 'Deployments', view: DeploymentsTab },
  { value: 'logs', label: 'Logs', view: LogsTab },
  { value: 'resources', label: 'Resources', view: ResourcesTab },
  { value: 'variables', label: 'Variables', view: VariablesTab },
  { value: 'domains', label: 'Domains', view: DomainsTab },
  { value: 'settings', label: 'Settings', view: SettingsTab },
]

export function AppPage() {
  const { appId } = appRoute.useParams()
  const { tab } = appRoute.useSearch()
  const navigate = useNavigate()
  const found = useApp(appId)
  if (found.isPending) return <Loading />
  if (found.isError) return <Fault page error={found.error} retry={() => void found.refetch()} />
  const app = found.data
  const View = TABS.find(entry => entry.value === tab)!.view
  return (
    <>
      <Head
        crumbs={<Link to="/">Apps</Link>}
        title={app.name}
        status={<Status status={app.status} />}
        truth={truth(app)}
        actions={<Actions app={app} />}
      />
      <Tabs
        value={tab}
        onChange={value => void navigate({ to: '/apps/$appId', params: { appId }, search: { tab: value as AppTab } })}
        mb="md"
        keepMounted={false}
      >
        <Tabs.List ref={showActive} style={{ overflowX: 'auto', flexWrap: 'nowrap' }}>
          {TABS.map(entry => (
            <Tabs.Tab key={entry.value} value={entry.value}>
              {entry.label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map(entry => (
          <Tabs.Panel key={entry.value} value={entry.value} pt="md">
            {entry.value === tab && <View app={app} />}
          </Tabs.Panel>
        ))}
      </Tabs>
    </>
  )
}

/** On a phone the tabs are wider than the screen. */
const showActive = (list: HTMLDivElement | null) =>
  list?.querySelector('[data-active]')?.scrollIntoView({ block: 'nearest', inline: 'center' })

const truth = (app: App) =>
  app.statusDetail ? (
    <>
      <StatusDetail app={app} /> <Quotation of={app.statusQuoted} />
    </>
  ) : app.status !== 'running' ? (
    ''
  ) : app.url ? (
    `Serves at ${app.url}.`
  ) : (
    'Works behind the scenes: it serves no requests.'
  )

function Actions({ app }: { app: App }) {
  const [asking, setAsking] = useState(false)
  const redeploy = useAction<{ deploymentId: string }>('/api/apps/redeploy')
  const stop = useAction('/api/apps/stop')
  const start = useAction('/api/apps/start', `${app.name} runs`)
  const navigate = useNavigate()
  const deploy = () =>
    redeploy.mutate(
      { id: app.id },
      {
        onSuccess: answer =>
          void navigate({ to: '/deployments/$deploymentId', params: { deploymentId: answer.deploymentId } }),
      },
    )
  return (
    <>
      {app.status === 'running' && app.url && (
        <Button
          component="a"
          href={app.url}
          target="_blank"
          rel="noreferrer"
          variant="default"
          leftSection={<IconExternalLink size={16} />}
        >
          Open
        </Button>
      )}
      {app.status === 'stopped' && app.activeDeployId && (
        <Button variant="default" loading={start.isPending} onClick={() => start.mutate({ id: app.id })}>
          Start
        </Button>
      )}
      {(app.status === 'running' || (app.status === 'failed' && app.activeDeployId)) && (
        <Button variant="default" onClick={() => setAsking(true)}>
          Stop
        </Button>
      )}
      <Button loading={redeploy.isPending} onClick={deploy}>
        Deploy
      </Button>
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Stop ${app.name}?`}
        act={`Stop ${app.name}`}
        danger
        busy={stop.isPending}
        onAct={() =>
          stop.mutate(
            { id: app.id },
            {
              onSuccess: () => tellUndo(`${app.name} is stopped`, () => start.mutate({ id: app.id })),
              onSettled: () => setAsking(false),
            },
          )
        }
      >
        <Text size="sm">
          Visitors see a page that says it is stopped. Its image, variables, domains and volumes stay; Start brings it
          back.
        </Text>
      </Confirm>
    </>
  )
}
