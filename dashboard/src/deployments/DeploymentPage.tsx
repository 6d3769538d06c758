import { Button, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import type { Deployment } from '../api/client'
import { useAction, useApp, useDeployment } from '../api/queries'
import { deploymentRoute } from '../router'
import { LogView } from '../ui/LogView'
import { Ago, Confirm, Copy, Fault, Head, Loading, Panel, Quotation, Until } from '../ui/parts'
import { StatusIcon } from '../ui/Status'
import { useLogStream } from '../ui/useLogStream'
import { duration, isUpload, shortCommit } from '../ui/words'
import { Changes } from './Changes'
import { DeploymentStatus } from './DeploymentStatus'
import { RollBack } from './RollBack'

const STEP_WORDS: Record<string, string> = {
  queued: 'Queued',
  fetch: 'Fetch the source',
  plan: 'Plan',
  build: 'Build',
  release: 'Release command',
  start: 'Start',
  probe: 'Wait until healthy',
  live: 'Go live',
  between: 'Between the steps',
}
const active = (deployment: Deployment) => deployment.status === 'queued' || deployment.status === 'building'

export function DeploymentPage() {
  const { deploymentId } = deploymentRoute.useParams()
  const found = useDeployment(deploymentId)
  const log = useLogStream(`/api/deployments/logs/stream?id=${encodeURIComponent(deploymentId)}`)
  const app = useApp(found.data?.appId ?? '')
  if (found.isPending) return <Loading />
  if (found.isError) return <Fault page error={found.error} retry={() => void found.refetch()} />
  const deployment = found.data
  const serves = app.data?.activeDeployId
  return (
    <>
      <Head
        crumbs={
          <>
            <Link to="/">Apps</Link> /{' '}
            <Link to="/apps/$appId" params={{ appId: deployment.appId }} search={{ tab: 'deployments' }}>
              {deployment.appName}
            </Link>
          </>
        }
        title={
          deployment.commit ? <code style={{ fontSize: 18 }}>{shortCommit(deployment.commit)}</code> : 'Deployment'
        }
        status={<DeploymentStatus deployment={deployment} />}
        truth={<Truth deployment={deployment} serves={serves === deployment.id} />}
        actions={<Actions deployment={deployment} />}
      />
      {deployment.status === 'failed' && (
        <div className="notice" role="alert" style={{ marginBottom: 16 }}>
          <strong>{sentence(deployment.error)}</strong>
          <Quotation of={deployment.quoted} />
          {deployment.hint && <p>{deployment.hint}</p>}
          {serves && app.data?.latestDeployment?.id === deployment.id && (
            <p className="dim">The version that was live before goes on serving.</p>
          )}
        </div>
      )}
      <div className="split" style={{ gridTemplateColumns: undefined }}>
        <LogView lines={log.lines} name={`${deployment.appName}-${deployment.id}`} live={log.live} />
        <div className="stack">
          <Panel title="Steps" inside={false}>
            <Steps deployment={deployment} />
          </Panel>
          <Changes deploymentId={deployment.id} />
          <Facts deployment={deployment} />
        </div>
      </div>
    </>
  )
}

const capital = (text: string) => (text ? text[0]!.toUpperCase() + text.slice(1) : '')
const sentence = (text: string) => (text ? capital(text) + (/[.!?]$/.test(text) ? '' : '.') : '')

function Truth({ deployment, serves }: { deployment: Deployment; serves: boolean }) {
  const what = deployment.status !== 'success' ? 'asked for' : deployment.rollbackOf ? 'rolled back' : 'deployed'
  return (
    <>
      {deployment.waitsFor && (
        <>
          {deployment.waitsFor}
          <br />
        </>
      )}
      {deployment.commitMsg && (
        <>
          <span dir="auto">{deployment.commitMsg}</span> ·{' '}
        </>
      )}
      {deployment.commitMsg ? what : capital(what)} <Ago at={deployment.createdAt} /> by{' '}
      {deployment.actor.split(':')[0]}
      {serves && deployment.watchedUntil && (
        <Until at={deployment.watchedUntil} words=" · may still be taken back until" />
      )}
    </>
  )
}

function Actions({ deployment }: { deployment: Deployment }) {
  const app = useApp(deployment.appId)
  const cancel = useAction('/api/apps/cancel', 'The deployment is cancelled')
  const redeploy = useAction('/api/apps/redeploy', 'A new deployment is on its way')
  const [asking, setAsking] = useState(false)
  if (active(deployment))
    return (
      <>
        <Button variant="default" onClick={() => setAsking(true)}>
          Cancel deployment
        </Button>
        <Confirm
          opened={asking}
          onClose={() => setAsking(false)}
          title="Cancel this deployment?"
          act="Cancel the deployment"
          danger
          busy={cancel.isPending}
          onAct={() =>
            cancel.mutate({ id: deployment.appId, deploymentId: deployment.id }, { onSettled: () => setAsking(false) })
          }
        >
          <Text size="sm">It stops at once and what it made is removed. The live version goes on serving.</Text>
        </Confirm>
      </>
    )
  return (
    <>
      {app.data?.activeDeployId === deployment.id && (
        <Button component="a" href={app.data.url} target="_blank" rel="noreferrer">
          Open {app.data.name}
        </Button>
      )}
      {app.data && deployment.status === 'success' && app.data.activeDeployId !== deployment.id && (
        <RollBack app={app.data} deployment={deployment} />
      )}
      <Button variant="default" loading={redeploy.isPending} onClick={() => redeploy.mutate({ id: deployment.appId })}>
        {app.data && isUpload(app.data.gitRepo) ? 'Build the newest files again' : 'Deploy the newest commit'}
      </Button>
    </>
  )
}

function Steps({ deployment }: { deployment: Deployment }) {
  const [, tick] = useState(0)
  const running = active(deployment)
  useEffect(() => {
    if (!running) return
    const timer = setInterval(() => tick(count => count + 1), 500)
    return () => clearInterval(timer)
  }, [running])
  const rows = partsOf(deployment)
  const longest = Math.max(0.001, ...rows.map(row => row.seconds))
  return (
    <ol className="steps">
      {rows.map(({ name, status, seconds }) => (
        <li key={name} className={`status ${status}`} style={{ display: 'grid', fontWeight: 400 }}>
          <StatusIcon status={status} />
          <span style={{ color: 'var(--mantine-color-text)' }}>{STEP_WORDS[name] ?? name}</span>
          <span className="dim">{duration(seconds)}</span>
          <span className="meter" aria-hidden>
            <i style={{ width: `${(seconds / longest) * 100}%` }} />
          </span>
        </li>
      ))}
      <li className="total">
        <span>All, since it was asked for</span>
        <span>{duration(running ? since(deployment.createdAt) : deployment.duration)}</span>
      </li>
    </ol>
  )
}

const since = (moment: string, until?: string | null) =>
  Math.max(0, ((until ? Date.parse(until) : Date.now()) - Date.parse(moment)) / 1000)

/** What a deployment's time went to, which adds up to its duration. */
function partsOf(deployment: Deployment) {
  const waiting = {
    name: 'queued',
    status: deployment.startedAt ? 'done' : deployment.status,
    seconds: since(deployment.createdAt, deployment.startedAt ?? deployment.finishedAt),
  }
  const parts = [
    waiting,
    ...deployment.steps.map(({ name, status, startedAt, seconds }) =>
      status === 'running' ? { name, status: 'building', seconds: since(startedAt) } : { name, status, seconds },
    ),
  ]
  const between = active(deployment)
    ? 0
    : (deployment.duration ?? 0) - parts.reduce((sum, part) => sum + part.seconds, 0)
  return between < 0.5 ? parts : [...parts, { name: 'between', status: 'done', seconds: between }]
}

function Facts({ deployment }: { deployment: Deployment }) {
  const plan = deployment.plan as { runtime?: string; version?: string; framework?: string; start?: string } | null
  return (
    <Panel title="Facts">
      <dl className="facts">
        <dt>Deployment</dt>
        <dd>
          <code>{deployment.id}</code> <Copy value={deployment.id} label="the deployment's id" />
        </dd>
        {deployment.commit && (
          <>
            <dt>Commit</dt>
            <dd>
              <code>{shortCommit(deployment.commit)}</code> <Copy value={deployment.commit} label="the commit" />
            </dd>
          </>
        )}
        {plan?.runtime && (
          <>
            <dt>Built as</dt>
            <dd>{[plan.runtime, plan.version, plan.framework].filter(Boolean).join(' · ')}</dd>
          </>
        )}
        {plan?.start && (
          <>
            <dt>Start</dt>
            <dd>
              <code>{plan.start}</code>
            </dd>
          </>
        )}
        {deployment.rollbackOf && (
          <>
            <dt>Brings back</dt>
            <dd>
              <Link to="/deployments/$deploymentId" params={{ deploymentId: deployment.rollbackOf }}>
                <code>{deployment.rollbackOf}</code>
              </Link>
            </dd>
          </>
        )}
        {deployment.requestId && (
          <>
            <dt>Request</dt>
            <dd>
              <code>{deployment.requestId}</code> <Copy value={deployment.requestId} label="the request's id" />
            </dd>
          </>
        )}
      </dl>
    </Panel>
  )
}
