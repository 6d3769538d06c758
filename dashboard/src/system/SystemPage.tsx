import { Fragment } from 'react'
import { useHealth, useServer } from '../api/queries'
import { Copy, Fault, Head, Loading, Panel } from '../ui/parts'
import { Status } from '../ui/Status'
import { ago, duration } from '../ui/words'
import { CloudflarePanel } from './CloudflarePanel'
import { DoctorPanel } from './DoctorPanel'
import { SecurityPanels } from './SecurityPanels'

// Parts of health beside those that are always shown, and what is the matter when they are not well.
const PARTS = [
  ['jobs', 'Jobs', 'Are not started'],
  ['writer', 'Changes', 'Can’t be stored'],
  ['disk', 'Disk', 'Nearly full'],
  ['releases', 'Releases', 'Not in the state'],
  ['tasks', 'Tasks', 'Being started again'],
] as const

export function SystemPage() {
  const health = useHealth()
  const server = useServer()
  if (health.isPending || server.isPending) return <Loading />
  if (health.isError) return <Fault page error={health.error} retry={() => void health.refetch()} />
  if (server.isError) return <Fault page error={server.error} retry={() => void server.refetch()} />
  const { engine, ingress, runtime, version, uptime, parts } = health.data
  const hasEngine = runtime === 'docker'
  const well = health.data.status === 'healthy'
  const broken = PARTS.flatMap(([part, name, word]) =>
    parts[part] && parts[part].state !== 'ok' ? [{ ...parts[part], name, word }] : [],
  )
  const info = server.data
  return (
    <>
      <Head
        title="System"
        status={<Status status={well ? 'running' : 'failed'} word={well ? 'Healthy' : 'Needs attention'} />}
        truth={
          well
            ? hasEngine
              ? 'Control plane, engine and ingress answer.'
              : 'Control plane and ingress answer.'
            : 'Apps that run go on running; deployments may fail until this is mended.'
        }
      />
      <div className="split">
        <div className="stack">
          <Panel title="Parts">
            <dl className="facts">
              <dt>Control plane</dt>
              <dd>
                <Status status="running" word={`Version ${version}, up ${duration(uptime)}`} />
              </dd>
              <dt>{hasEngine ? 'Docker engine' : 'Apps'}</dt>
              <dd>
                {!hasEngine ? (
                  <>
                    <Status status="stopped" word="Processes of this machine" />
                    <div className="dim">
                      They are kept apart less than containers. Set up Docker and <code>RUNTIME=docker</code> before
                      others use this server.
                    </div>
                  </>
                ) : engine ? (
                  <Status status="running" word={`Version ${engine}`} />
                ) : (
                  <>
                    <Status status="failed" word="Does not answer" />
                    <div className="dim">
                      Try <code>docker info</code> on the server; start the service if it fails.
                    </div>
                  </>
                )}
              </dd>
              <dt>Ingress</dt>
              <dd>
                {ingress === 'ok' ? (
                  <Status status="running" word={`Serves on ports ${info.httpPort} and ${info.httpsPort}`} />
                ) : (
                  <>
                    <Status status="failed" word="Does not serve" />
                    <div className="dim">{ingress}</div>
                  </>
                )}
              </dd>
              {broken.map(part => (
                <Fragment key={part.name}>
                  <dt>{part.name}</dt>
                  <dd>
                    <Status status="failed" word={part.word} />
                    <div className="dim">
                      {part.state} (since {ago(part.since)})
                    </div>
                  </dd>
                </Fragment>
              ))}
            </dl>
          </Panel>
          <DoctorPanel />
          <CloudflarePanel />
          <SecurityPanels />
        </div>
        <Panel title="Addresses">
          <dl className="facts">
            <dt>Apps are at</dt>
            <dd>
              <code>&lt;app&gt;.{info.appsSuffix}</code>
            </dd>
            <dt>Public address</dt>
            <dd>
              {info.publicIp ? (
                <>
                  <code>{info.publicIp}</code> <Copy value={info.publicIp} label="the address" />
                </>
              ) : (
                'none found; set PUBLIC_ADDRESS if there is one'
              )}
            </dd>
            <dt>Certificates</dt>
            <dd>
              {{ auto: 'fetched by the ingress', off: 'off, HTTP only', external: 'by the proxy in front' }[info.tls]}
            </dd>
            <dt>API</dt>
            <dd>
              <a href="/api/docs">Reference of all calls</a>
            </dd>
          </dl>
        </Panel>
      </div>
    </>
  )
}
