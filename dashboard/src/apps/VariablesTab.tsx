import { Button, Group, Text } from '@mantine/core'
import { useEffect, useState } from 'react'
import type { App } from '../api/client'
import { useAction } from '../api/queries'
import { Panel } from '../ui/parts'
import { asBody, isName, type Variable } from './variables'
import { VariableEditor } from './VariableEditor'

const fromApp = (app: App): Variable[] =>
  Object.entries(app.envVars).map(([key, value]) => ({ key, value, secret: app.secretKeys.includes(key) }))

export function VariablesTab({ app }: { app: App }) {
  const stored = JSON.stringify(fromApp(app))
  const [variables, setVariables] = useState<Variable[]>(fromApp(app))
  const save = useAction('/api/apps/update', 'Saved. The next deployment uses it.')
  const redeploy = useAction('/api/apps/redeploy', 'Saved; a deployment is on its way')
  useEffect(() => setVariables(JSON.parse(stored)), [stored])
  const changed = JSON.stringify(variables.filter(entry => entry.key)) !== stored
  const before = new Map(Object.entries(app.envVars))
  const after = new Map(variables.filter(entry => entry.key).map(entry => [entry.key, entry]))
  const diff = [
    ...[...after.keys()].filter(key => !before.has(key)).map(key => ['added', '+', key]),
    ...[...before.keys()].filter(key => !after.has(key)).map(key => ['removed', '−', key]),
    ...[...after.values()].filter(entry => before.has(entry.key) && (before.get(entry.key) !== entry.value || app.secretKeys.includes(entry.key) !== entry.secret)).map(entry => ['changed', '~', entry.key]),
  ] as [string, string, string][]
  const valid = variables.every(entry => !entry.key || isName(entry.key))
  const body = { id: app.id, ...asBody(variables) }
  return (
    <Panel title="Variables" aside={<Text size="xs" c="dimmed">Secret values are stored write-only.</Text>}>
      {!variables.length && <Text size="sm" c="dimmed">This app has no variables.</Text>}
      <VariableEditor value={variables} onChange={setVariables} />
      {diff.length > 0 && (
        <div className="diff" role="status" aria-label="What will change">
          {diff.map(([kind, mark, key]) => <div key={key} className={kind}><code>{mark} {key}</code></div>)}
        </div>
      )}
      <Group mt="lg" gap="xs">
        <Button disabled={!changed || !valid} loading={save.isPending} onClick={() => save.mutate(body, { onSuccess: () => redeploy.mutate({ id: app.id }) })}>
          Save and deploy
        </Button>
        <Button variant="default" disabled={!changed || !valid} onClick={() => save.mutate(body)}>
          Save for the next deployment
        </Button>
        {changed && <Button variant="subtle" onClick={() => setVariables(JSON.parse(stored))}>Undo the changes</Button>}
      </Group>
    </Panel>
  )
}
