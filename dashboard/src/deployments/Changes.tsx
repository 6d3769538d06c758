import { Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useCompare } from '../api/queries'
import { Panel } from '../ui/parts'
import { shortCommit } from '../ui/words'

const WORDS: Record<string, string> = {
  healthPath: 'Health path',
  healthStatus: 'Good statuses',
  memory: 'Memory',
  cpus: 'CPUs',
  volumes: 'Volumes',
  processes: 'Processes',
  startCommand: 'Start command',
  runtime: 'Language',
  version: 'Version',
  framework: 'Framework',
  package_manager: 'Package manager',
  install: 'Install',
  build: 'Build',
  start: 'Start',
  port: 'Port',
  output: 'Folder',
  release: 'Release command',
}

/** What this deployment changed against the good one before it. Values of variables are never shown. */
export function Changes({ deploymentId }: { deploymentId: string }) {
  const { data } = useCompare(deploymentId)
  if (!data?.withId) return null
  const names = [
    ...data.added.map(name => ['+', name]),
    ...data.removed.map(name => ['−', name]),
    ...data.changed.map(name => ['~', name]),
  ] as [string, string][]
  const values = [...data.plan, ...data.settings]
  const sameCommit = data.commit === data.withCommit
  return (
    <Panel
      title="What changed"
      aside={
        <Link to="/deployments/$deploymentId" params={{ deploymentId: data.withId }} className="dim">
          since {shortCommit(data.withCommit) || data.withId}
        </Link>
      }
    >
      {!sameCommit && (
        <p className="diff">
          <code>{shortCommit(data.withCommit) || '—'}</code> → <code>{shortCommit(data.commit) || '—'}</code>
        </p>
      )}
      {values.map(change => (
        <div key={change.name} className="diff">
          <div className="dim">{WORDS[change.name] ?? change.name}</div>
          {change.before && <del>{change.before}</del>}
          {change.after && <ins>{change.after}</ins>}
        </div>
      ))}
      {names.length > 0 && (
        <div className="diff">
          <div className="dim">Variables</div>
          {names.map(([mark, name]) => (
            <div key={name} className={mark === '+' ? 'added' : mark === '−' ? 'removed' : 'changed'}>
              <code>
                {mark} {name}
              </code>
            </div>
          ))}
        </div>
      )}
      {sameCommit && !values.length && !names.length && (
        <Text size="sm" c="dimmed">
          Nothing: the same source, plan, settings and variables.
        </Text>
      )}
    </Panel>
  )
}
