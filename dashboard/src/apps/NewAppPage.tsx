import {
  Autocomplete,
  Button,
  Collapse,
  Group,
  Loader,
  PasswordInput,
  Stack,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { type Plan, post } from '../api/client'
import { useAction } from '../api/queries'
import { Fault, Head, Panel } from '../ui/parts'
import { SettingFields } from './SettingFields'
import { bodyOf, EMPTY, type Fields, faults, filled, LABELS, PLANNED } from './settings'
import { VariableEditor } from './VariableEditor'
import { asBody, problem, type Variable } from './variables'

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
  const [fields, setFields] = useState(EMPTY)
  const set = (change: Partial<Fields>) => setFields(old => ({ ...old, ...change }))
  const [ownName, setOwnName] = useState<string | null>(null)
  const [variables, setVariables] = useState<Variable[]>([])
  const [pending, setPending] = useState(false)
  const [options, setOptions] = useState(false)
  const [settled] = useDebouncedValue(fields, 600)
  const source = bodyOf(settled, PLANNED)
  const ready = looksComplete(settled.gitRepo)
  const branches = useQuery({
    queryKey: ['branches', settled.gitRepo, settled.gitToken],
    queryFn: () => post<string[]>('/api/git/branches', { gitRepo: settled.gitRepo, gitToken: settled.gitToken }),
    enabled: ready && !settled.gitRepo.startsWith('sample:'),
    retry: false,
  })
  const plan = useQuery({
    queryKey: ['plan', source],
    queryFn: () => post<Plan>('/api/deploy/plan', source),
    enabled: ready,
    retry: false,
  })
  const deploy = useAction<{ deploymentId: string }>('/api/deploy')
  const name = ownName ?? nameFrom(fields.gitRepo.replace('sample:', ''))
  const nameFits = /^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$/.test(name)
  const submit = async () => {
    const { deploymentId } = await deploy.mutateAsync({ ...bodyOf(fields, filled(fields)), name, ...asBody(variables) })
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
            <Autocomplete
              label={LABELS.gitRepo}
              description="A URL, owner/name, or a pasted git clone command"
              placeholder="https://github.com/owner/name"
              value={fields.gitRepo}
              onChange={gitRepo => set({ gitRepo })}
              data={fields.gitRepo === '' || fields.gitRepo.startsWith('s') ? SAMPLES : []}
              autoFocus
              openOnFocus={false}
              required
              withAsterisk={false}
            />
            <Autocomplete
              label={LABELS.branch}
              placeholder={branches.data?.[0] ?? 'the default branch'}
              value={fields.branch}
              onChange={branch => set({ branch })}
              data={branches.data ?? []}
              rightSection={
                branches.isFetching ? <Loader size={14} role="status" aria-label="Loading branches" /> : null
              }
            />
            <PasswordInput
              label={LABELS.gitToken}
              description="Only for private repositories; for ssh a private key"
              value={fields.gitToken}
              onChange={event => set({ gitToken: event.currentTarget.value })}
              autoComplete="off"
              visibilityToggleButtonProps={{ 'aria-label': 'Show the deploy token' }}
            />
          </Stack>
        </Panel>
        <Panel
          title="Plan"
          aside={
            plan.isFetching ? (
              <Group gap={6}>
                <Loader size={14} role="status" aria-label="Loading" />
                <Text size="xs" c="dimmed">
                  reading the repository
                </Text>
              </Group>
            ) : null
          }
        >
          {!ready && (
            <Text size="sm" c="dimmed">
              Give a repository to see how it would be built.
            </Text>
          )}
          {ready && plan.isError && !plan.isFetching && <Fault error={plan.error} />}
          {plan.data && !plan.isFetching && <PlanView plan={plan.data} />}
          <Button
            variant="subtle"
            size="compact-sm"
            mt="sm"
            onClick={() => setOptions(!options)}
            aria-expanded={options}
          >
            {options ? 'Hide build and run settings' : 'Change build and run settings'}
          </Button>
          <Collapse expanded={options}>
            <div style={{ marginTop: 12 }}>
              <SettingFields
                fields={fields}
                set={set}
                found={plan.data ?? {}}
                secrets={variables.filter(entry => entry.secret && entry.key).map(entry => entry.key)}
              />
            </div>
          </Collapse>
        </Panel>
        <Panel title="Variables">
          {!variables.length && (
            <Text size="sm" c="dimmed">
              None yet. They reach the running app, never an image.
            </Text>
          )}
          <VariableEditor value={variables} onChange={rows => setVariables(rows)} onPending={setPending} />
        </Panel>
        <Panel title="Name">
          <TextInput
            aria-label="Name"
            description="It becomes the app's address"
            value={name}
            onChange={event => setOwnName(event.currentTarget.value)}
            error={name && !nameFits ? '2 to 40 of a-z, 0-9 and -, not at the ends' : undefined}
          />
        </Panel>
        {deploy.isError && <Fault error={deploy.error} />}
        <Group>
          <Button
            type="submit"
            loading={deploy.isPending}
            disabled={
              !nameFits ||
              !looksComplete(fields.gitRepo) ||
              pending ||
              Object.keys(faults(fields)).length > 0 ||
              variables.some(entry => problem(entry, variables))
            }
          >
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
          <code>{plan.commit.slice(0, 7)}</code> <bdi>{plan.commitMsg}</bdi>
        </Text>
      )}
      <dl className="facts" style={{ marginTop: 8 }}>
        {plan.install && (
          <>
            <dt>Install</dt>
            <dd>
              <code>{plan.install}</code>
            </dd>
          </>
        )}
        {plan.build && (
          <>
            <dt>Build</dt>
            <dd>
              <code>{plan.build}</code>
            </dd>
          </>
        )}
        {plan.start && (
          <>
            <dt>Start</dt>
            <dd>
              <code>{plan.start}</code>
            </dd>
          </>
        )}
        {plan.available && (
          <>
            <dt>Versions</dt>
            <dd>This server can give {plan.available.join(', ')}</dd>
          </>
        )}
      </dl>
      {plan.notes.map(note => (
        <Text key={note} size="sm" c="dimmed">
          ▲ {note}
        </Text>
      ))}
      <Button variant="subtle" size="compact-sm" onClick={() => setShown(!shown)} aria-expanded={shown}>
        {shown ? 'Hide the Dockerfile' : 'Show the Dockerfile'}
      </Button>
      {shown && (
        <Textarea aria-label="Dockerfile" readOnly autosize value={plan.dockerfile} classNames={{ input: 'mono' }} />
      )}
    </div>
  )
}
