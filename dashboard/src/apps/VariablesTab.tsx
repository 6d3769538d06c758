import { Button, Group, Text } from '@mantine/core'
import { useEffect, useState } from 'react'
import type { App } from '../api/client'
import { useAction } from '../api/queries'
import { Meanwhile } from '../ui/Meanwhile'
import { Panel } from '../ui/parts'
import { VariableEditor } from './VariableEditor'
import { begun, conceded, difference, followed, fromApp, problem, saved, shown, type Variable } from './variables'

export function VariablesTab({ app }: { app: App }) {
  const [editing, setEditing] = useState(() => begun(fromApp(app)))
  const { before, rows, disputed } = editing
  const [pending, setPending] = useState(false)
  const save = useAction<App>('/api/apps/env', 'Saved. The next deployment uses it.')
  const redeploy = useAction('/api/apps/redeploy', 'Saved; a deployment is on its way')
  const stored = JSON.stringify([app.envVars, app.secretKeys])
  // biome-ignore lint/correctness/useExhaustiveDependencies: stored stands for what the app says
  useEffect(() => {
    if (!save.isPending) setEditing(old => followed(old, fromApp(app)))
  }, [stored, save.isPending])
  const setRows = (rows: Variable[], more: string[] = []) =>
    setEditing(old => ({ ...old, rows, disputed: [...new Set([...old.disputed, ...more])] }))
  const change = difference(before, rows)
  const known = new Set(before.map(entry => entry.key))
  const touched = [...new Set([...Object.keys(change.set), ...change.secret, ...change.plain])]
  const words = [
    ...touched.filter(key => !known.has(key)).map(key => ['added', '+', key] as const),
    ...change.unset.map(key => ['removed', '−', key] as const),
    ...touched.filter(key => known.has(key)).map(key => ['changed', '~', key] as const),
  ]
  const ready = words.length > 0 && !pending && !disputed.length && !rows.some(entry => problem(entry, rows))
  // Only what was changed is sent: all others stay as they are, whoever changed them meanwhile.
  const submit = (then?: () => void) =>
    save.mutate(
      { id: app.id, ...change },
      {
        onSuccess: answer => {
          setEditing(old => saved(old, rows, fromApp(answer)))
          then?.()
        },
      },
    )
  return (
    <Panel
      title="Variables"
      aside={
        <Text size="xs" c="dimmed">
          Secret values are stored write-only.
        </Text>
      }
    >
      {!rows.length && (
        <Text size="sm" c="dimmed">
          This app has no variables.
        </Text>
      )}
      <VariableEditor value={rows} onChange={setRows} onPending={setPending} />
      {words.length > 0 && (
        <div className="diff" role="status" aria-label="What will change" style={{ marginTop: 12 }}>
          {words.map(([kind, mark, key]) => (
            <div key={key} className={kind}>
              <code>
                {mark} {key}
              </code>
            </div>
          ))}
        </div>
      )}
      {disputed.length > 0 && (
        <Meanwhile
          what={`Variables of ${app.name} were`}
          fields={disputed.map(name => ({ name, theirs: shown(before, name), mine: shown(rows, name) }))}
          onLoad={() => setEditing(conceded)}
          keep="Keep mine"
          onKeep={() => setEditing(old => ({ ...old, disputed: [] }))}
        />
      )}
      <Group mt="lg" gap="xs">
        <Button
          disabled={!ready}
          loading={save.isPending}
          onClick={() => submit(() => redeploy.mutate({ id: app.id }))}
        >
          Save and deploy
        </Button>
        <Button variant="default" disabled={!ready} onClick={() => submit()}>
          Save for the next deployment
        </Button>
        {words.length > 0 && (
          <Button variant="subtle" onClick={() => setEditing(begun(before))}>
            Undo the changes
          </Button>
        )}
      </Group>
    </Panel>
  )
}
