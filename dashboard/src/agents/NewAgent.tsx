import { Button, Checkbox, Group, Modal, MultiSelect, NumberInput, Radio, SegmentedControl, Select, Stack, TagsInput, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type AgentWithToken, post } from '../api/client'
import { useAction, useApps, useProjects, useScopes } from '../api/queries'
import { Fault } from '../ui/parts'

const EXPIRIES = [
  { value: '7', label: 'in 7 days' },
  { value: '30', label: 'in 30 days' },
  { value: '90', label: 'in 90 days' },
  { value: '365', label: 'in a year' },
  { value: 'never', label: 'never' },
]
const APPROVALS = [
  { value: 'destructive', label: 'before anything is deleted' },
  { value: 'all', label: 'before every change' },
  { value: 'none', label: 'not at all' },
]

/** The form of a new token, with what it could do beside it while you choose. */
export function NewAgent({ opened, onClose, onToken }: { opened: boolean; onClose: () => void; onToken: (token: { name: string; token: string }) => void }) {
  const scopes = useScopes()
  const apps = useApps()
  const projects = useProjects()
  const [name, setName] = useState('')
  const [profile, setProfile] = useState('deployer')
  const [own, setOwn] = useState<string[]>(['apps:read'])
  const [where, setWhere] = useState('all')
  const [places, setPlaces] = useState<string[]>([])
  const [expiry, setExpiry] = useState<string>('90')
  const [approval, setApproval] = useState<string>('destructive')
  const [addresses, setAddresses] = useState<string[]>([])
  const [deploys, setDeploys] = useState<number | string>('')
  const create = useAction<AgentWithToken>('/api/agents/create')

  const picked = (kind: string) => places.filter(place => place.startsWith(kind)).map(place => place.slice(kind.length))
  const fields = {
    ...(profile === 'own' ? { scopes: own } : { profile }),
    ...(where === 'some' && places.length ? { projects: picked('project '), apps: picked('app ') } : {}),
    ...(expiry === 'never' ? { neverExpires: true } : { expiresInDays: Number(expiry) }),
    requireApproval: approval,
    addresses,
    ...(deploys === '' ? {} : { deploysPerHour: Number(deploys) }),
  }
  const complete = (profile !== 'own' || own.length > 0) && (where === 'all' || places.length > 0)
  const can = useQuery({
    queryKey: ['describe', fields],
    queryFn: () => post<{ can: string[] }>('/api/agents/describe', fields),
    enabled: opened && complete,
    placeholderData: before => before,
  })
  const submit = () =>
    create.mutate({ name, ...fields }, { onSuccess: made => { onClose(); setName(''); onToken(made) } })

  return (
    <Modal opened={opened} onClose={onClose} title={<Text fw={600}>New agent token</Text>} closeButtonProps={{ 'aria-label': 'Close' }} size="xl">
      <form onSubmit={event => { event.preventDefault(); submit() }}>
        <div className="split">
          <Stack gap="md">
            <TextInput label="Who or what uses it" placeholder="Claude Code on my laptop" value={name} onChange={event => setName(event.currentTarget.value)} maxLength={80} data-autofocus required />
            <Radio.Group label="What it may do" value={profile} onChange={setProfile}>
              <Stack gap={6} mt={6}>
                <Radio value="observer" label="Observer: reads apps, logs and figures" />
                <Radio value="deployer" label="Deployer: also deploys, changes, stops and starts apps" />
                <Radio value="operator" label="Operator: also databases, jobs, backups, servers and notifications" />
                <Radio value="own" label="Choose scopes one by one" />
              </Stack>
            </Radio.Group>
            {profile === 'own' && scopes.data && (
              <Checkbox.Group value={own} onChange={setOwn} label="Scopes">
                <Stack gap={6} mt={6}>
                  {scopes.data.scopes.map(entry => (
                    <Checkbox key={entry.scope} value={entry.scope} label={<><code>{entry.scope}</code> <Text span size="sm" c="dimmed">{entry.allows}</Text></>} />
                  ))}
                </Stack>
              </Checkbox.Group>
            )}
            <div>
              <Text size="sm" fw={500} mb={4} id="where-label">Where</Text>
              <SegmentedControl aria-labelledby="where-label" size="xs" value={where} onChange={setWhere} data={[{ value: 'all', label: 'Everywhere' }, { value: 'some', label: 'Chosen projects and apps' }]} />
              {where === 'some' && (
                <MultiSelect mt="xs" aria-label="Projects and apps" searchable value={places} onChange={setPlaces} placeholder={places.length ? undefined : 'Choose at least one'}
                  data={[
                    { group: 'Projects, with all their apps', items: (projects.data ?? []).map(entry => ({ value: `project ${entry.id}`, label: entry.name })) },
                    { group: 'Apps', items: (apps.data ?? []).map(entry => ({ value: `app ${entry.id}`, label: `${entry.name} (app)` })) },
                  ]}
                />
              )}
            </div>
            <Group grow align="start">
              <Select label="It ends" data={EXPIRIES} value={expiry} onChange={value => setExpiry(value ?? '90')} allowDeselect={false} />
              <Select label="A person is asked" data={APPROVALS} value={approval} onChange={value => setApproval(value ?? 'destructive')} allowDeselect={false} />
            </Group>
            <Group grow align="start">
              <TagsInput label="Only from these addresses" placeholder={addresses.length ? undefined : 'from anywhere'} value={addresses} onChange={setAddresses} />
              <NumberInput label="Deployments an hour" placeholder="no limit" min={1} max={10_000} value={deploys} onChange={setDeploys} />
            </Group>
          </Stack>
          <section className="panel" aria-label="This token can" aria-live="polite">
            <header><h2>This token can</h2></header>
            <div className="inside">
              {can.isError ? <Fault error={can.error} /> : <ul className="can">{(can.data?.can ?? []).map(line => <li key={line}>{line}</li>)}</ul>}
            </div>
          </section>
        </div>
        <Group justify="flex-end" mt="lg" gap="xs">
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" loading={create.isPending} disabled={!complete || !name.trim()}>Make the token</Button>
        </Group>
      </form>
    </Modal>
  )
}
