import type { App } from '../api/client'
import { StatusIcon } from '../ui/Status'

/** What there is to say of an app's state; marked where the app runs in spite of it. */
export function StatusDetail({ app }: { app: App }) {
  return (
    <>
      {app.status === 'running' && (
        <span className="status attention">
          <StatusIcon status="attention" />
        </span>
      )}{' '}
      {app.statusDetail}
    </>
  )
}
