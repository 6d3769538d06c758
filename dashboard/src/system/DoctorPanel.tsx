import { Button, Text } from '@mantine/core'
import { useDoctor } from '../api/queries'
import { Fault, Panel } from '../ui/parts'
import { Status } from '../ui/Status'

const STATES: Record<string, string> = { good: 'running', notice: 'attention', bad: 'failed' }

/** Looks at everything that apps depend on; each finding says what to do. */
export function DoctorPanel() {
  const doctor = useDoctor()
  return (
    <Panel
      title="Check-up"
      aside={
        <Button size="compact-sm" variant="default" loading={doctor.isFetching} onClick={() => void doctor.refetch()}>
          {doctor.data ? 'Look again' : 'Look at everything'}
        </Button>
      }
    >
      {doctor.isError && <Fault error={doctor.error} />}
      {!doctor.data && !doctor.isError && (
        <Text size="sm" c="dimmed">
          Engine, ingress, ports, disk, clock, jobs, each domain and its certificate. It takes some seconds.
        </Text>
      )}
      {doctor.data && (
        <>
          <Text size="sm" mb="sm" role="status">
            {doctor.data.summary}
          </Text>
          <dl className="facts">
            {doctor.data.findings.map((finding, index) => (
              <div key={index} style={{ display: 'contents' }}>
                <dt>{finding.name}</dt>
                <dd>
                  <Status status={STATES[finding.level] ?? 'stopped'} word={finding.state} />
                  {finding.advice && <div className="dim">{finding.advice}</div>}
                </dd>
              </div>
            ))}
          </dl>
        </>
      )}
    </Panel>
  )
}
