import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { Deployment } from '../api/client'
import { Ago } from '../ui/parts'
import { Status } from '../ui/Status'
import { duration, shortCommit, TRIGGERS } from '../ui/words'

/** One deployment in a list. */
export function DeploymentRow({ deployment, withApp, action }: { deployment: Deployment; withApp?: boolean; action?: ReactNode }) {
  return (
    <li style={{ display: 'flex', alignItems: 'center' }}>
      <Link to="/deployments/$deploymentId" params={{ deploymentId: deployment.id }} className="entry" style={{ flex: 1, minWidth: 0 }}>
        <Status status={deployment.status} />
        <span className="cut">
          {withApp && <strong>{deployment.appName} </strong>}
          {deployment.commit && <code>{shortCommit(deployment.commit)} </code>}
          {deployment.rollbackOf && <span className="dim">Rolled back · </span>}
          <span dir="auto">{deployment.error || deployment.commitMsg || TRIGGERS[deployment.trigger]}</span>
        </span>
        <span className="dim">
          {duration(deployment.duration)} · <Ago at={deployment.createdAt} />
        </span>
      </Link>
      {action}
    </li>
  )
}
