import { SegmentedControl } from '@mantine/core'
import { useState } from 'react'
import { useApps, useDeployments } from '../api/queries'
import { Fault, Head, Loading } from '../ui/parts'
import { DeploymentRow } from './DeploymentRow'

const STATES = [
  { value: '', label: 'All' },
  { value: 'building', label: 'Building' },
  { value: 'success', label: 'Successful' },
  { value: 'failed', label: 'Failed' },
  { value: 'cancelled', label: 'Cancelled' },
]

export function DeploymentsPage() {
  const [status, setStatus] = useState('')
  const found = useDeployments(undefined, status)
  const serving = new Set(useApps().data?.map(app => app.activeDeployId))
  return (
    <>
      <Head title="Deployments" truth="The newest fifty, of all apps." />
      <SegmentedControl aria-label="Status" size="xs" mb="md" value={status} onChange={setStatus} data={STATES} />
      {found.isPending && <Loading of="list" />}
      {found.isError && <Fault error={found.error} retry={() => void found.refetch()} />}
      {found.data && (
        <div className="panel">
          {found.data.length ? (
            <ul className="list">
              {found.data.map(entry => (
                <DeploymentRow key={entry.id} deployment={entry} serves={serving.has(entry.id)} withApp />
              ))}
            </ul>
          ) : (
            <div className="empty">
              <h2>No deployments here</h2>
              <p>Each version that you bring live shows up in this list.</p>
            </div>
          )}
        </div>
      )}
    </>
  )
}
