import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { Deployment } from '../api/client'
import { settling } from '../api/queries'
import { Ago, Until } from '../ui/parts'
import { duration, shortCommit, TRIGGERS } from '../ui/words'
import { DeploymentStatus } from './DeploymentStatus'

/** One deployment in a list. serves: whether it is what its app serves now. */
export function DeploymentRow({
  deployment,
  serves,
  withApp,
  action,
}: {
  deployment: Deployment
  serves?: boolean
  withApp?: boolean
  action?: ReactNode
}) {
  return (
    <li style={{ display: 'flex', alignItems: 'center' }}>
      <Link
        to="/deployments/$deploymentId"
        params={{ deploymentId: deployment.id }}
        className="entry"
        style={{ flex: 1, minWidth: 0 }}
      >
        <DeploymentStatus deployment={deployment} brief />
        <span className={deployment.waitsFor ? undefined : 'cut'}>
          {withApp && <strong>{deployment.appName} </strong>}
          {deployment.commit && <code>{shortCommit(deployment.commit)} </code>}
          {settling(deployment) && <span className="dim">Watching its start · </span>}
          {deployment.waitsFor && <>{deployment.waitsFor} </>}
          {deployment.rollbackOf && <span className="dim">Rolled back · </span>}
          {deployment.error ? (
            <>
              {deployment.error} {deployment.quoted && <q dir="auto">{deployment.quoted}</q>}
            </>
          ) : (
            <span dir="auto">{deployment.commitMsg || (!deployment.waitsFor && TRIGGERS[deployment.trigger])}</span>
          )}
        </span>
        <span className="dim">
          {serves && deployment.watchedUntil && (
            <span className="watched">
              <Until at={deployment.watchedUntil} words="may still be taken back until" then=" · " />
            </span>
          )}
          {deployment.finishedAt && <>{duration(deployment.duration)} · </>}
          <Ago at={deployment.createdAt} />
        </span>
      </Link>
      {action}
    </li>
  )
}
