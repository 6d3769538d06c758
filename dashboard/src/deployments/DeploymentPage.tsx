import { Button, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import type { Deployment } from '../api/client'
import { useAction, useApp, useDeployment } from '../api/queries'
import { deploymentRoute } from '../router'
import { LogView } from '../ui/LogView'
import { Ago, Confirm, Copy, Fault, Head, Loading, Panel } from '../ui/parts'
import { Status, StatusIcon } from '../ui/Status'
import { useLogStream } from '../ui/useLogStream'
import { duration, isUpload, shortCommit } from '../ui/words'
import { Changes } from './Changes'
import { RollBack } from './RollBack'

const STEP_WORDS: Record<string, string> = { fetch: 'Fetch the source', plan: 'Plan', build: 'Build', release: 'Release command', start: 'Start', probe: 'Wait until healthy', live: 'Go live' }
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
            <Link to="/">Apps</Link> / <Link to="/apps/$appId" params={{ appId: deployment.appId }} search={{ tab: 'deployments' }}>{deployment.appName}</Link>
          </>
        }
        title={deployment.commit ? <code style={{ fontSize: 18 }}>{shortCommit(deployment.commit)}</code> : 'Deployment'}
        status={<Status status={deployment.status} />}
        truth={<Truth deployment={deployment} />}
        actions={<Actions deployment={deployment} />}
      />
      {deployment.status === 'failed' && (
        <div className="notice" role="alert" style={{ marginBottom: 16 }}>
          <strong>{sentence(deployment.error)}</strong>
          {deployment.hint && <p>{deployment.hint}</p>}
          {serves && app.data?.latestDeployment?.id === deployment.id && <p className="dim">The version that was live before goes on serving.</p>}
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

const sentence = (text: string) => (text ? text[0]!.toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.') : '')

function Truth({ deployment }: { deployment: Deployment }) {
  const what = deployment.rollbackOf ? 'Rolled back' : 'Deployed'
  return (
    <>
      <span dir="auto">{deployment.commitMsg || what}</span> · {what.toLowerCase()} <Ago at={deployment.createdAt} /> by {deployment.actor.split(':')[0]}
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
        <Confirm opened={asking} onClose={() => setAsking(false)} title="Cancel this deployment?" act="Cancel the deployment" danger busy={cancel.isPending}
          onAct={() => cancel.mutate({ id: deployment.appId, deploymentId: deployment.id }, { onSettled: () => setAsking(false) })}>
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
      {app.data && deployment.status === 'success' && app.data.activeDeployId !== deployment.id && <RollBack app={app.data} deployment={deployment} />}
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
  const seconds = (step: Deployment['steps'][number]) => (step.finishedAt ? step.seconds : (Date.now() - Date.parse(step.startedAt)) / 1000)
  const longest = Math.max(0.001, ...deployment.steps.map(seconds))
  if (!deployment.steps.length) return <Text p="md" size="sm" c="dimmed">{deployment.status === 'queued' ? 'Waits for its turn.' : 'No steps were run.'}</Text>
  return (
    <ol className="steps">
      {deployment.steps.map(step => {
        const status = step.status === 'running' ? 'building' : step.status
        return (
          <li key={step.name} className={`status ${status}`} style={{ display: 'grid', fontWeight: 400 }}>
            <StatusIcon status={status} />
            <span style={{ color: 'var(--mantine-color-text)' }}>{STEP_WORDS[step.name] ?? step.name}</span>
            <span className="dim">{duration(seconds(step))}</span>
            <span className="meter" aria-hidden><i style={{ width: `${(seconds(step) / longest) * 100}%` }} /></span>
          </li>
        )
      })}
    </ol>
  )
}

function Facts({ deployment }: { deployment: Deployment }) {
  const plan = deployment.plan as { runtime?: string; version?: string; framework?: string; start?: string } | null
  return (
    <Panel title="Facts">
      <dl className="facts">
        <dt>Deployment</dt>
        <dd><code>{deployment.id}</code> <Copy value={deployment.id} label="the deployment's id" /></dd>
        {deployment.commit && (<><dt>Commit</dt><dd><code>{shortCommit(deployment.commit)}</code> <Copy value={deployment.commit} label="the commit" /></dd></>)}
        {plan?.runtime && (<><dt>Built as</dt><dd>{[plan.runtime, plan.version, plan.framework].filter(Boolean).join(' · ')}</dd></>)}
        {plan?.start && (<><dt>Start</dt><dd><code>{plan.start}</code></dd></>)}
        {deployment.rollbackOf && (<><dt>Brings back</dt><dd><Link to="/deployments/$deploymentId" params={{ deploymentId: deployment.rollbackOf }}><code>{deployment.rollbackOf}</code></Link></dd></>)}
        {deployment.requestId && (<><dt>Request</dt><dd><code>{deployment.requestId}</code> <Copy value={deployment.requestId} label="the request's id" /></dd></>)}
        {deployment.duration != null && (<><dt>Took</dt><dd>{duration(deployment.duration)}</dd></>)}
      </dl>
    </Panel>
  )
}
