// Tabs that only show: overview, deployments, logs.
import { Text, Tooltip } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { App } from '../api/client'
import { settling, useDeployments, useServer } from '../api/queries'
import { DeploymentRow } from '../deployments/DeploymentRow'
import { sign } from '../deployments/DeploymentStatus'
import { RollBack } from '../deployments/RollBack'
import { plain } from '../ui/ansi'
import { LogView } from '../ui/LogView'
import { Ago, Copy, Fault, Loading, Panel } from '../ui/parts'
import { Status, StatusIcon } from '../ui/Status'
import { useLogStream } from '../ui/useLogStream'
import { ago, isUpload, shortCommit, shortSource } from '../ui/words'

/** What an app gets that sets no limit. */
const limitWord = (given: string | undefined) =>
  given === undefined ? '' : given ? `${given}, as all apps` : 'no limit'

export function OverviewTab({ app }: { app: App }) {
  const found = useDeployments(app.id)
  const server = useServer()
  const log = useLogStream(app.activeDeployId ? `/api/apps/runtime-logs/stream?id=${app.id}&lines=12` : null)
  const last = (found.data ?? []).slice(0, 5)
  return (
    <div className="split">
      <div className="stack">
        <Panel title="Live version" aside={<RollBack app={app} size="compact-sm" />}>
          {app.activeDeployId ? (
            <dl className="facts">
              <dt>Version</dt>
              <dd>
                {app.activeCommit && <code>{shortCommit(app.activeCommit)} </code>}
                <span dir="auto">{app.activeCommitMsg}</span>
              </dd>
              <dt>Since</dt>
              <dd>{app.liveSince && <Ago at={app.liveSince} />}</dd>
              <dt>Where</dt>
              <dd>
                {app.url ? (
                  <>
                    <a href={app.url} target="_blank" rel="noreferrer">
                      {app.url}
                    </a>{' '}
                    <Copy value={app.url} label="the address" />
                  </>
                ) : (
                  'It serves no requests.'
                )}
              </dd>
            </dl>
          ) : (
            <Text size="sm" c="dimmed">
              No version is live yet.
            </Text>
          )}
        </Panel>
        <Panel
          title="Last deployments"
          aside={
            <span className="dots">
              {last.map(entry => (
                <Tooltip
                  key={entry.id}
                  label={`${settling(entry) ? 'live, watching its start' : entry.status}, ${ago(entry.createdAt)}`}
                >
                  <span className={`status ${sign(entry)}`}>
                    <StatusIcon status={sign(entry)} />
                  </span>
                </Tooltip>
              ))}
            </span>
          }
          inside={false}
        >
          <ul className="list">
            {last.map(entry => (
              <DeploymentRow key={entry.id} deployment={entry} serves={entry.id === app.activeDeployId} />
            ))}
          </ul>
        </Panel>
        <Panel
          title="Last lines"
          aside={
            <Link to="/apps/$appId" params={{ appId: app.id }} search={{ tab: 'logs' }}>
              All logs
            </Link>
          }
        >
          <div
            className="log"
            style={{ overflowX: 'auto', background: 'none' }}
            tabIndex={0}
            role="log"
            aria-label="Last lines"
          >
            {log.lines.slice(-12).map((line, index) => (
              <div key={index} className="line" style={{ padding: 0 }}>
                {plain(line.message)}
              </div>
            ))}
            {!log.lines.length && (
              <Text size="sm" c="dimmed">
                The app has written nothing.
              </Text>
            )}
          </div>
        </Panel>
      </div>
      <Panel title="Facts">
        <dl className="facts">
          <dt>Status</dt>
          <dd>
            <Status status={app.status} />
          </dd>
          <dt>Source</dt>
          <dd>
            {shortSource(app.gitRepo)} {!isUpload(app.gitRepo) && <Copy value={app.gitRepo} label="the source" />}
          </dd>
          {!isUpload(app.gitRepo) && (
            <>
              <dt>Branch</dt>
              <dd>{app.branch || 'default'}</dd>
            </>
          )}
          {app.rootDir && (
            <>
              <dt>Root</dt>
              <dd>{app.rootDir}</dd>
            </>
          )}
          <dt>Memory</dt>
          <dd>{app.memory || limitWord(server.data?.defaultMemory)}</dd>
          <dt>CPUs</dt>
          <dd>{app.cpus || limitWord(server.data?.defaultCpus)}</dd>
          <dt>Health</dt>
          <dd>{app.healthPath ? `GET ${app.healthPath}` : 'any answer'}</dd>
          <dt>Variables</dt>
          <dd>{Object.keys(app.envVars).length}</dd>
          {app.volumes.length > 0 && (
            <>
              <dt>Volumes</dt>
              <dd>{app.volumes.join(', ')}</dd>
            </>
          )}
          <dt>App id</dt>
          <dd>
            <code>{app.id}</code> <Copy value={app.id} label="the app's id" />
          </dd>
        </dl>
      </Panel>
    </div>
  )
}

export function DeploymentsTab({ app }: { app: App }) {
  const found = useDeployments(app.id)
  if (found.isPending) return <Loading of="list" />
  if (found.isError) return <Fault error={found.error} />
  return (
    <Panel title="Deployments" inside={false}>
      <ul className="list">
        {found.data.map(entry => (
          <DeploymentRow
            key={entry.id}
            deployment={entry}
            serves={entry.id === app.activeDeployId}
            action={
              <span style={{ paddingRight: 16 }}>
                {entry.id === app.activeDeployId ? (
                  <Status status="running" word="Serving" />
                ) : (
                  entry.status === 'success' && <RollBack app={app} deployment={entry} size="compact-sm" />
                )}
              </span>
            }
          />
        ))}
      </ul>
    </Panel>
  )
}

export function LogsTab({ app }: { app: App }) {
  const log = useLogStream(app.activeDeployId ? `/api/apps/runtime-logs/stream?id=${app.id}&lines=2000` : null)
  if (!app.activeDeployId)
    return (
      <div className="panel empty">
        <h2>No output yet</h2>
        <p>What the app writes shows up here once a version is live.</p>
      </div>
    )
  if (log.error) return <Fault error={log.error} />
  return (
    <LogView
      lines={log.lines.map(line => ({
        ...line,
        level: 'info',
        message: 'process' in line ? `${String(line.process).padEnd(8)} │ ${line.message}` : line.message,
      }))}
      name={app.name}
      live={log.live}
    />
  )
}
