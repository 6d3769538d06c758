import { Button, Group, NumberInput, PasswordInput, Select, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import type { App } from '../api/client'
import { tellUndo, useAction, whileIt } from '../api/queries'
import { Confirm, Panel } from '../ui/parts'
import { isUpload } from '../ui/words'

const TEXTS = [
  ['gitRepo', 'Repository', ''],
  ['branch', 'Branch, tag or commit', 'the default branch'],
  ['rootDir', 'Root directory', 'the whole repository'],
  ['dockerfilePath', 'Dockerfile', 'Dockerfile, if there is one'],
  ['installCommand', 'Install command', 'as found'],
  ['buildCommand', 'Build command', 'as found'],
  ['startCommand', 'Start command', 'as found'],
  ['releaseCommand', 'Release command', 'run once before each version, such as a migration'],
  ['healthPath', 'Health path', 'none: the port has to be open'],
  ['memory', 'Memory', 'as all apps; or such as 512m'],
  ['cpus', 'CPUs', 'as all apps; or such as 0.5'],
] as const

type Fields = Record<(typeof TEXTS)[number][0], string> & { portOverride: string | number; watchMinutes: string | number; kind: string; volumes: string; processes: string }

const fromApp = (app: App): Fields => ({
  ...(Object.fromEntries(TEXTS.map(([key]) => [key, app[key] ?? ''])) as Record<(typeof TEXTS)[number][0], string>),
  portOverride: app.portOverride ?? '',
  watchMinutes: app.watchMinutes ?? '',
  kind: app.kind,
  volumes: app.volumes.join(', '),
  processes: Object.entries(app.processes).map(([name, command]) => `${name}: ${command}`).join('\n'),
})

/** What is sent of these fields. */
function bodyOf(fields: Fields, keys: (keyof Fields)[]) {
  const body: Record<string, unknown> = Object.fromEntries(keys.map(key => [key, fields[key]]))
  if ('portOverride' in body) body.portOverride = fields.portOverride || null
  if ('watchMinutes' in body) body.watchMinutes = fields.watchMinutes === '' ? null : fields.watchMinutes
  if ('processes' in body) body.processes = Object.fromEntries(fields.processes.split('\n').filter(line => line.includes(':')).map(line => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1).trim()]))
  if ('volumes' in body) body.volumes = fields.volumes.split(',').map(text => text.trim()).filter(Boolean)
  return body
}

export function SettingsTab({ app }: { app: App }) {
  const stored = JSON.stringify(fromApp(app))
  const [fields, setFields] = useState<Fields>(fromApp(app))
  const [token, setToken] = useState('')
  const save = useAction('/api/apps/update')
  const back = useAction('/api/apps/update', 'The settings are what they were')
  useEffect(() => setFields(JSON.parse(stored)), [stored])
  const before = JSON.parse(stored) as Fields
  const changed = (Object.keys(fields) as (keyof Fields)[]).filter(key => fields[key] !== before[key])
  const submit = () => {
    // Only what was changed is sent: everything else stays as it is, whoever changed it meanwhile.
    const told = () => {
      setToken('')
      const message = 'Saved. The next deployment uses it.'
      // What a token was before, nobody can tell.
      if (token) notifications.show({ message, color: 'green' })
      else tellUndo(message, () => back.mutate({ id: app.id, ...bodyOf(before, changed) }))
    }
    save.mutate({ id: app.id, ...bodyOf(fields, changed), ...(token ? { gitToken: token } : {}) }, { onSuccess: told })
  }
  return (
    <div className="stack" style={{ maxWidth: 760 }}>
      <Panel title="Source, build and run">
        <form onSubmit={event => { event.preventDefault(); submit() }}>
          <Stack gap="sm">
            {TEXTS.filter(([key]) => !isUpload(app.gitRepo) || (key !== 'gitRepo' && key !== 'branch')).map(([key, label, placeholder]) => (
              <TextInput key={key} label={label} placeholder={placeholder} value={fields[key]} onChange={event => { const value = event.currentTarget.value; setFields(old => ({ ...old, [key]: value })) }} />
            ))}
            <NumberInput label="Port" placeholder="as found" value={fields.portOverride} onChange={value => setFields(old => ({ ...old, portOverride: value }))} min={1} max={65535} hideControls />
            <Select label="Serves" data={[{ value: '', label: 'as its Procfile says, else web requests' }, { value: 'web', label: 'web requests' }, { value: 'worker', label: 'nothing: it is a worker' }]} value={fields.kind} onChange={value => setFields(old => ({ ...old, kind: value ?? '' }))} allowDeselect={false} />
            <Textarea label="Processes beside it" description="One a line, such as worker: python worker.py; they win over the Procfile" placeholder="as its Procfile says" autosize minRows={1} value={fields.processes} onChange={event => { const value = event.currentTarget.value; setFields(old => ({ ...old, processes: value })) }} />
            <NumberInput label="Watch new versions (minutes)" description="One that fails meanwhile is taken back; 0 for not at all" placeholder="the server's setting" value={fields.watchMinutes} onChange={value => setFields(old => ({ ...old, watchMinutes: value }))} min={0} max={1440} hideControls />
            <TextInput label="Volumes" description="Such as data:/app/data, with commas between; :shared behind it lets two versions write at once" value={fields.volumes} onChange={event => { const value = event.currentTarget.value; setFields(old => ({ ...old, volumes: value })) }} />
            <PasswordInput label="Deploy token" placeholder={app.gitToken ? 'kept; type to replace' : 'none'} value={token} onChange={event => setToken(event.currentTarget.value)} autoComplete="off" visibilityToggleButtonProps={{ 'aria-label': 'Show the deploy token' }} />
            <Group>
              <Button type="submit" disabled={!changed.length && !token} loading={save.isPending}>
                Save {changed.length + (token ? 1 : 0) || ''} {changed.length + (token ? 1 : 0) === 1 ? 'change' : 'changes'}
              </Button>
            </Group>
          </Stack>
        </form>
      </Panel>
      <Rename app={app} />
      <Delete app={app} />
    </div>
  )
}

function Rename({ app }: { app: App }) {
  const [name, setName] = useState(app.name)
  const rename = useAction('/api/apps/rename', 'Renamed')
  const fits = /^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$/.test(name)
  return (
    <Panel title="Name">
      <form onSubmit={event => { event.preventDefault(); rename.mutate({ id: app.id, name }) }}>
        <Group align="end" gap="xs">
          <TextInput label="Name" value={name} onChange={event => setName(event.currentTarget.value)} style={{ flex: 1, minWidth: 200 }} error={fits ? undefined : '2 to 40 of a-z, 0-9 and -'} />
          <Button type="submit" variant="default" disabled={!fits || name === app.name} loading={rename.isPending}>
            Rename to {name}
          </Button>
        </Group>
        <Text size="xs" c="dimmed" mt={6}>The default address changes with the name; custom domains stay.</Text>
      </form>
    </Panel>
  )
}

function Delete({ app }: { app: App }) {
  const [asking, setAsking] = useState(false)
  const navigate = useNavigate()
  const remove = useAction('/api/apps/delete')
  const restore = useAction('/api/apps/restore', `${app.name} is back`)
  // The page goes first: there is nothing to show of an app that is being deleted.
  const act = async () => {
    setAsking(false)
    await navigate({ to: '/' })
    await whileIt(`Deleting ${app.name}`, remove.mutateAsync({ id: app.id }))
    tellUndo(`${app.name} is in the trash`, () => restore.mutate({ id: app.id }))
  }
  return (
    <Panel title="Delete">
      <Group justify="space-between" gap="sm">
        <Text size="sm">Puts the app into the trash; from there it can be restored for some days.</Text>
        <Button color="red" variant="light" onClick={() => setAsking(true)}>
          Delete {app.name}
        </Button>
      </Group>
      <Confirm opened={asking} onClose={() => setAsking(false)} title={`Delete ${app.name}?`} act={`Delete ${app.name}`} danger typed={app.name} busy={remove.isPending}
        onAct={() => void act().catch(() => undefined)}>
        <Text size="sm">
          {app.domains.length ? `${app.domains.join(', ')} and ${app.defaultHost} stop` : `${app.defaultHost} stops`} answering at once. Its image, variables, deployments and logs{' '}
          {app.volumes.length ? `stay in the trash for some days, and so do its volumes: ${app.volumes.join(', ')}.` : 'stay in the trash for some days.'} Restoring brings it back as it was.
        </Text>
      </Confirm>
    </Panel>
  )
}
