import { Button, Group, PasswordInput, Stack, Text, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { App } from '../api/client'
import { tellUndo, useAction, useDeployments, whileIt } from '../api/queries'
import { Meanwhile } from '../ui/Meanwhile'
import { Confirm, Panel } from '../ui/parts'
import { useFields } from '../ui/useFields'
import { isUpload } from '../ui/words'
import { ReachPanel } from './ReachPanel'
import { type Found, SettingFields } from './SettingFields'
import { bodyOf, type Fields, faults, filled, fromApp, LABELS, worded } from './settings'

export function SettingsTab({ app }: { app: App }) {
  const save = useAction<App>('/api/apps/update', undefined, { stale: () => form.refuse() })
  const back = useAction('/api/apps/update', 'The settings are what they were')
  const form = useFields(fromApp(app), app.version, !save.isPending)
  const { fields, before, changed, disputed, set } = form
  const planned = useDeployments(app.id).data?.filter(deployment => deployment.plan) ?? []
  const plan = (planned.find(deployment => deployment.id === app.activeDeployId) ?? planned[0])?.plan
  /** was: what is there until then, for going back to it. */
  const submit = (version: string, was: Fields) => {
    const told = (answer: App) => {
      form.saved(fields, fromApp(answer), answer.version)
      const message = 'Saved. The next deployment uses it.'
      // What a token was before, nobody can tell.
      if (changed.includes('gitToken')) notifications.show({ message, color: 'green' })
      else tellUndo(message, () => back.mutate({ id: app.id, version: answer.version, ...bodyOf(was, changed) }))
    }
    // Only what was changed is sent: everything else stays as it is.
    save.mutate({ id: app.id, version, ...bodyOf(fields, changed) }, { onSuccess: told })
  }
  const typed = (key: keyof Fields) => (event: { currentTarget: { value: string } }) =>
    set({ [key]: event.currentTarget.value })
  return (
    <div className="stack" style={{ maxWidth: 760 }}>
      <Panel title="Source, build and run">
        <form
          onSubmit={event => {
            event.preventDefault()
            submit(form.version, before)
          }}
        >
          <Stack gap="sm">
            {!isUpload(app.gitRepo) && (
              <>
                <TextInput label={LABELS.gitRepo} value={fields.gitRepo} onChange={typed('gitRepo')} />
                <TextInput
                  label={LABELS.branch}
                  placeholder="the default branch"
                  value={fields.branch}
                  onChange={typed('branch')}
                />
                <PasswordInput
                  label={LABELS.gitToken}
                  placeholder={app.gitToken ? 'kept; type to replace' : 'none'}
                  value={fields.gitToken}
                  onChange={typed('gitToken')}
                  autoComplete="off"
                  visibilityToggleButtonProps={{ 'aria-label': 'Show the deploy token' }}
                />
              </>
            )}
            <SettingFields fields={fields} set={set} found={foundBy(plan ?? {}, before)} secrets={app.secretKeys} />
            {disputed && (
              <Meanwhile
                what={`Settings of ${app.name} were`}
                fields={disputed.map(key => both(key, fields, app))}
                onLoad={form.load}
                keep="Save mine over it"
                onKeep={() => submit(app.version, fromApp(app))}
                busy={save.isPending}
              />
            )}
            <Group>
              <Button
                type="submit"
                disabled={!changed.length || disputed !== null || Object.keys(faults(fields)).length > 0}
                loading={save.isPending}
              >
                Save {changed.length || ''} {changed.length === 1 ? 'change' : 'changes'}
              </Button>
              {changed.length > 0 && !disputed && (
                <Button variant="subtle" onClick={form.load}>
                  Undo the changes
                </Button>
              )}
            </Group>
          </Stack>
        </form>
      </Panel>
      <ReachPanel app={app} />
      <Rename app={app} />
      <Delete app={app} />
    </div>
  )
}

/** What a stored plan calls each, and which setting decides on it. */
const FINDS: Record<keyof Found, [string, keyof Fields]> = {
  runtime: ['runtime', 'staticSite'],
  version: ['version', 'runtimeVersion'],
  install: ['install', 'installCommand'],
  build: ['build', 'buildCommand'],
  start: ['start', 'startCommand'],
  output: ['output', 'outputDir'],
  port: ['port', 'portOverride'],
  release: ['release', 'releaseCommand'],
  buildPackages: ['build_packages', 'aptPackages'],
  runPackages: ['run_packages', 'runAptPackages'],
  singlePage: ['single_page', 'singlePage'],
}

/** What a plan found out by itself. */
function foundBy(plan: Record<string, unknown>, settings: Fields): Found {
  const set = filled(settings)
  const finds = Object.entries(FINDS).filter(([, [stored, by]]) => plan[stored] === 'dockerfile' || !set.includes(by))
  return Object.fromEntries(finds.map(([name, [stored]]) => [name, plan[stored]]))
}

/** A field as it may be shown twice. */
function both(key: keyof Fields, fields: Fields, app: App) {
  const name = LABELS[key]
  if (key === 'gitToken') return { name, theirs: app.gitToken ? 'what is stored' : null, mine: 'a new one' }
  return { name, theirs: worded(fromApp(app), key), mine: worded(fields, key) }
}

function Rename({ app }: { app: App }) {
  const [name, setName] = useState(app.name)
  const rename = useAction('/api/apps/rename', 'Renamed')
  const fits = /^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$/.test(name)
  return (
    <Panel title="Name">
      <form
        onSubmit={event => {
          event.preventDefault()
          rename.mutate({ id: app.id, name })
        }}
      >
        <Group align="end" gap="xs">
          <TextInput
            label="Name"
            value={name}
            onChange={event => setName(event.currentTarget.value)}
            style={{ flex: 1, minWidth: 200 }}
            error={fits ? undefined : '2 to 40 of a-z, 0-9 and -'}
          />
          <Button type="submit" variant="default" disabled={!fits || name === app.name} loading={rename.isPending}>
            Rename to {name}
          </Button>
        </Group>
        <Text size="xs" c="dimmed" mt={6}>
          The default address changes with the name; custom domains stay.
        </Text>
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
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Delete ${app.name}?`}
        act={`Delete ${app.name}`}
        danger
        typed={app.name}
        busy={remove.isPending}
        onAct={() => void act().catch(() => undefined)}
      >
        <Text size="sm">
          {app.domains.length ? `${app.domains.join(', ')} and ${app.defaultHost} stop` : `${app.defaultHost} stops`}{' '}
          answering at once. Its image, variables, deployments and logs{' '}
          {app.volumes.length
            ? `stay in the trash for some days, and so do its volumes: ${app.volumes.join(', ')}.`
            : 'stay in the trash for some days.'}{' '}
          Restoring brings it back as it was.
        </Text>
      </Confirm>
    </Panel>
  )
}
