import { Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { TrustRule } from '../api/client'
import { useAction, useTrust } from '../api/queries'
import { Ago, Confirm, Fault, Panel } from '../ui/parts'
import { useRights } from './useRights'

// How each CI system names the repository in its identity tokens.
const GITHUB = 'https://token.actions.githubusercontent.com'
const ISSUERS = [
  { value: GITHUB, label: 'GitHub Actions', repository: 'repository' },
  { value: 'https://gitlab.com', label: 'GitLab.com', repository: 'project_path' },
  { value: 'other', label: 'Another GitLab or OpenID Connect issuer', repository: 'project_path' },
]

/** CI jobs that get a token for what they are, so that no secret has to be stored there. */
export function TrustRules() {
  const rules = useTrust()
  const [making, setMaking] = useState(false)
  return (
    <div style={{ marginTop: 24 }}>
      <Panel
        title="CI without secrets"
        inside={false}
        aside={
          <Button size="xs" variant="default" onClick={() => setMaking(true)}>
            New trust rule
          </Button>
        }
      >
        {rules.isError && <Fault error={rules.error} retry={() => void rules.refetch()} />}
        {rules.data?.length === 0 && (
          <div className="inside dim">
            A trust rule lets the jobs of one repository have a token for 15 minutes, proven by GitHub or GitLab. In the
            job: <code>paas connect {location.origin}</code>.
          </div>
        )}
        {!!rules.data?.length && (
          <ul className="list">
            {rules.data.map(rule => (
              <Rule key={rule.id} rule={rule} />
            ))}
          </ul>
        )}
      </Panel>
      <NewRule opened={making} onClose={() => setMaking(false)} />
    </div>
  )
}

function Rule({ rule }: { rule: TrustRule }) {
  const [asking, setAsking] = useState(false)
  const remove = useAction('/api/trust/delete', `The rule ${rule.name} is gone`)
  const claims = Object.entries(rule.claims)
    .map(([name, pattern]) => `${name} is ${pattern}`)
    .join(' and ')
  return (
    <li className="agent">
      <div className="row">
        <div>
          <h2>{rule.name}</h2>
          <p>
            Jobs of {ISSUERS.find(known => known.value === rule.issuer)?.label ?? rule.issuer} whose {claims}, as{' '}
            {rule.profile || rule.scopes.join(', ')}
            {rule.allResources ? '' : ', in chosen places'}.
          </p>
          <p className="dim">
            {rule.lastUsedAt ? (
              <>
                last used <Ago at={rule.lastUsedAt} />, {rule.uses} times
              </>
            ) : (
              'never used'
            )}{' '}
            · audience {rule.audience}
          </p>
        </div>
        <Button size="xs" variant="default" onClick={() => setAsking(true)} aria-label={`Delete the rule ${rule.name}`}>
          Delete
        </Button>
      </div>
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Delete the rule ${rule.name}?`}
        act="Delete the rule"
        danger
        busy={remove.isPending}
        onAct={() => remove.mutate({ id: rule.id }, { onSettled: () => setAsking(false) })}
      >
        <Text size="sm">Its jobs get no more tokens, and those that they have stop at once.</Text>
      </Confirm>
    </li>
  )
}

function NewRule({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [name, setName] = useState('')
  const [known, setKnown] = useState(GITHUB)
  const [issuer, setIssuer] = useState('')
  const [repository, setRepository] = useState('')
  const [branch, setBranch] = useState('main')
  const rights = useRights({ expires: false, enabled: opened })
  const create = useAction('/api/trust/create', 'The rule is in force')
  const ref = known === GITHUB ? `refs/heads/${branch}` : branch
  const submit = () =>
    create.mutate(
      {
        name,
        issuer: known === 'other' ? issuer : known,
        claims: {
          [ISSUERS.find(entry => entry.value === known)?.repository ?? 'sub']: repository,
          ...(branch ? { ref } : {}),
        },
        ...rights.fields,
      },
      {
        onSuccess: () => {
          onClose()
          setName('')
          setRepository('')
        },
      },
    )
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={<Text fw={600}>New trust rule</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      size="xl"
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          submit()
        }}
      >
        <div className="split">
          <Stack gap="md">
            <TextInput
              label="Name"
              placeholder="shop, main branch"
              value={name}
              onChange={event => setName(event.currentTarget.value)}
              maxLength={80}
              data-autofocus
              required
            />
            <Select
              label="Who vouches for the job"
              data={ISSUERS}
              value={known}
              onChange={value => setKnown(value ?? known)}
              allowDeselect={false}
            />
            {known === 'other' && (
              <TextInput
                label="Issuer"
                placeholder="https://gitlab.example.com"
                value={issuer}
                onChange={event => setIssuer(event.currentTarget.value)}
                required
              />
            )}
            <Group grow align="start">
              <TextInput
                label="Repository"
                placeholder="owner/name"
                value={repository}
                onChange={event => setRepository(event.currentTarget.value)}
                required
              />
              <TextInput
                label="Branch"
                description="* matches anything; empty for all"
                inputWrapperOrder={['label', 'input', 'description']}
                value={branch}
                onChange={event => setBranch(event.currentTarget.value)}
              />
            </Group>
            {rights.inputs}
          </Stack>
          {rights.words}
        </div>
        <Group justify="flex-end" mt="lg" gap="xs">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            type="submit"
            loading={create.isPending}
            disabled={!rights.complete || !name.trim() || !repository.trim()}
          >
            Make the rule
          </Button>
        </Group>
      </form>
    </Modal>
  )
}
