import type { Deployment } from '../api/client'
import { settling } from '../api/queries'
import { Status } from '../ui/Status'

/** How it is marked. */
export const sign = (deployment: Deployment) => (settling(deployment) ? 'building' : deployment.status)

/** A deployment's state. It is a success only once its processes have stayed up for a while. */
export function DeploymentStatus({ deployment, brief }: { deployment: Deployment; brief?: boolean }) {
  return (
    <Status
      status={sign(deployment)}
      word={settling(deployment) ? (brief ? 'Live' : 'Live, watching its start') : undefined}
    />
  )
}
