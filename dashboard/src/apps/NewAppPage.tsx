import { Autocomplete, Button, Collapse, Group, Loader, NumberInput, PasswordInput, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { post, type Plan } from '../api/client'
import { useAction } from '../api/queries'
import { Fault, Head, Panel } from '../ui/parts'
import { asBody, isName, type Variable } from './variables'
import { VariableEditor } from './VariableEditor'

const SAMPLES = ['sample:hello-python', 'sample:hello-node', 'sample:hello-static']

const nameFrom = (address: string) =>
  (address.trim().replace(/\/+$/, '').split(/[/:]/).pop() ?? '')
    .replace(/\.git$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)

const looksComplete = (address: string) => /^(sample:\S+|(git clone )?\S+[/:]\S{2,})$/.test(address.trim())

export function NewAppPage() {
  const navigate = useNavigate()
  const [repository, setRepository] = useState('')
  const [branch, setBranch] = useState('')
  const [token, setToken] = useState('')
  const [ownName, setOwnName] = useState<string | null>(null)
  const [variables, setVariables] = useState<Variable[]>([])
  const [options, setOptions] = useState(false)
  const [fields, setFields] = useState({ rootDir: '', installCommand: '', buildCommand: '', startCommand: '', dockerfilePath: '', healthPath: '', portOverride: '' as number | string, memory: '', cpus: '' })
  const set = (name: keyof typeof fields) => (value: string | number) => setFields(old => ({ ...old, [name]: value }))
  const source = useMemo(
    () => ({
      gitRepo: repository.trim(), branch: branch.trim(), gitToken: token, rootDir: fields.rootDir, installCommand: fields.installCommand,
      buildCommand: fields.buildCommand, startCommand: fields.startCommand, dockerfilePath: fields.dockerfilePath,
      portOverride: fields.portOverride || null,
    }),
    [repository, branch, token, fields],
  )
  const [settled] = useDebouncedValue(source, 600)
  const ready = looksComplete(settled.gitRepo)
  const branches = useQuery({
    queryKey: ['branches', settled.gitRepo, settled.gitToken],
    queryFn: () => post<string[]>('/api/git/branches', { gitRepo: settled.gitRepo, gitToken: settled.gitToken }),
    enabled: ready && !settled.gitRepo.startsWith('sample:'),
    retry: false,
  })
  const plan = useQuery({ queryKey: ['plan', settled], queryFn: () => post<Plan>('/api/deploy/plan', settled), enabled: ready, retry: false })
  const deploy = useAction<{ deploymentId: string }>('/api/deploy')
  const name = ownName ?? nameFrom(repository.replace('sample:', ''))
  const nameFits = /^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$/.test(name)
  const submit = async () => {
    const body = { ...source, name, healthPath: fields.healthPath, memory: fields.memory, cpus: fields.cpus, ...asBody(variables) }
    const { deploymentId } = await deploy.mutateAsync(body)
    await navigate({ to: '/deployments/$deploymentId', params: { deploymentId } })
  }
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        void submit().catch(() => undefined)
      }}
      style={{ maxWidth: 760 }}
    >
      <Head title="New app" truth="From a Git repository to a running app." />
      <div className="stack">
        <Panel title="Source">
          <Stack gap="sm">
            <Autocomplete label="Repository" description="A URL, owner/name, or a pasted git clone command" placeholder="https://github.com/owner/name" value={repository} onChange={setRepository} data={repository === '' || repository.startsWith('s') ? SAMPLES : []} autoFocus openOnFocus={false} required withAsterisk={false} />
            <Autocomplete label="Branch, tag or commit" placeholder={branches.data?.[0] ?? 'the default branch'} value={branch} onChange={setBranch} data={branches.data ?? []} rightSection={branches.isFetching ? <Loader size={14} aria-label="Loading branches" /> : null} />
            <PasswordInput label="Deploy token" description="Only for private repositories; for ssh a private key" value={token} onChange={event => setToken(event.currentTarget.value)} autoComplete="off" visibilityToggleButtonProps={{ 'aria-label': 'Show the deploy token' }} />
          </Stack>
        </Panel>
        <Panel title="Plan" aside={plan.isFetching ? <Group gap={6}><Loader size={14} aria-label="Loading" /><Text size="xs" c="dimmed">reading the repository</Text></Group> : null}>
          {!ready && <Text size="sm" c="dimmed">Give a repository to see how it would be built.</Text>}
          {ready && plan.isError && !plan.isFetching && <Fault error={plan.error} />}
          {plan.data && !plan.isFetching && <PlanView plan={plan.data} />}
          <Button variant="subtle" size="compact-sm" mt="sm" onClick={() => setOptions(!options)} aria-expanded={options}>
            {options ? 'Hide build and run settings' : 'Change build and run settings'}
          </Button>
          <Collapse expanded={options}>
            <Stack gap="sm" mt="sm">
              <TextInput label="Root directory" placeholder="the whole repository" value={fields.rootDir} onChange={event => set('rootDir')(event.currentTarget.value)} />
              <TextInput label="Install command" placeholder={plan.data?.install} value={fields.installCommand} onChange={event => set('installCommand')(event.currentTarget.value)} />
              <TextInput label="Build command" placeholder={plan.data?.build} value={fields.buildCommand} onChange={event => set('buildCommand')(event.currentTarget.value)} />
              <TextInput label="Start command" placeholder={plan.data?.start} value={fields.startCommand} onChange={event => set('startCommand')(event.currentTarget.value)} />
              <TextInput label="Dockerfile" placeholder="Dockerfile, if there is one" value={fields.dockerfilePath} onChange={event => set('dockerfilePath')(event.currentTarget.value)} />
              <Group grow align="start">
                <NumberInput label="Port" placeholder={String(plan.data?.port ?? 8080)} value={fields.portOverride} onChange={set('portOverride')} min={1} max={65535} hideControls />
                <TextInput label="Health path" placeholder="none: the port has to be open" value={fields.healthPath} onChange={event => set('healthPath')(event.currentTarget.value)} />
              </Group>
              <Group grow align="start">
                <TextInput label="Memory" placeholder="1g" value={fields.memory} onChange={event => set('memory')(event.currentTarget.value)} />
                <TextInput label="CPUs" placeholder="no limit" value={fields.cpus} onChange={event => set('cpus')(event.currentTarget.value)} />
              </Group>
            </Stack>
          </Collapse>
        </Panel>
        <Panel title="Variables">
          {!variables.length && <Text size="sm" c="dimmed">None yet. They reach the running app, never an image.</Text>}
          <VariableEditor value={variables} onChange={setVariables} />
        </Panel>
        <Panel title="Name">
          <TextInput aria-label="Name" description="It becomes the app's address" value={name} onChange={event => setOwnName(event.currentTarget.value)}
            error={name && !nameFits ? '2 to 40 of a-z, 0-9 and -, not at the ends' : undefined} />
        </Panel>
        {deploy.isError && <Fault error={deploy.error} />}
        <Group>
          <Button type="submit" loading={deploy.isPending} disabled={!nameFits || !looksComplete(repository) || variables.some(entry => entry.key && !isName(entry.key))}>
            Deploy {nameFits ? name : ''}
          </Button>
        </Group>
      </div>
    </form>
  )
}

function PlanView({ plan }: { plan: Plan }) {
  const [shown, setShown] = useState(false)
  return (
    <div className="plan">
      <Text fw={600}>{plan.summary}</Text>
      {plan.commit && (
        <Text size="sm" c="dimmed">
          <code>{plan.commit.slice(0, 7)}</code> {plan.commitMsg}
        </Text>
      )}
      <dl className="facts" style={{ marginTop: 8 }}>
        {plan.install && (<><dt>Install</dt><dd><code>{plan.install}</code></dd></>)}
        {plan.build && (<><dt>Build</dt><dd><code>{plan.build}</code></dd></>)}
        {plan.start && (<><dt>Start</dt><dd><code>{plan.start}</code></dd></>)}
        {plan.available && (<><dt>Versions</dt><dd>This server can give {plan.available.join(', ')}</dd></>)}
      </dl>
      {plan.notes.map(note => <Text key={note} size="sm" c="dimmed">▲ {note}</Text>)}
      <Button variant="subtle" size="compact-sm" onClick={() => setShown(!shown)} aria-expanded={shown}>
        {shown ? 'Hide the Dockerfile' : 'Show the Dockerfile'}
      </Button>
      {shown && <Textarea aria-label="Dockerfile" readOnly autosize value={plan.dockerfile} className="mono" />}
    </div>
  )
}
