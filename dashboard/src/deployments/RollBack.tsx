import { Button, Group, Modal, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { ApiError, App, Deployment, RollbackAnswer } from '../api/client'
import { useAction, useDeployments } from '../api/queries'
import { Confirm, Fault } from '../ui/parts'
import { ago, shortCommit } from '../ui/words'

const named = (deployment: Deployment) => shortCommit(deployment.commit) || deployment.id

/** The version behind the one that serves: the newest good one with another image, as the server chooses it. */
function behind(app: App, deployments: Deployment[]) {
  const good = deployments.filter(entry => entry.status === 'success' && entry.image)
  const live = good.findIndex(entry => entry.id === app.activeDeployId)
  return good.slice(live + 1).find(entry => entry.image !== good[live]?.image)
}

/** Offers to bring an earlier release back, and names which: `deployment`, or else what served before. */
export function RollBack({ app, deployment, size }: { app: App; deployment?: Deployment; size?: string }) {
  const [asking, setAsking] = useState(false)
  const [refusal, setRefusal] = useState<ApiError | null>(null)
  const navigate = useNavigate()
  const rollback = useAction<RollbackAnswer>('/api/apps/rollback', undefined, { newest_never_served: setRefusal })
  const deployments = useDeployments(app.id).data ?? []
  const before = behind(app, deployments)
  const serves = app.activeDeployId
  const neverServed = ['failed', 'cancelled'].includes(deployments[0]?.status ?? '')
  // Where the newest never served, the server asks which version is meant.
  const earlier = deployment ?? (neverServed ? undefined : before)
  if (!serves || !(earlier || neverServed)) return null
  const word = (id: string) => {
    const found = deployments.find(entry => entry.id === id)
    return found ? named(found) : id
  }
  const go = (deploymentId: string) =>
    rollback.mutate(
      { id: app.id, deploymentId },
      {
        onSuccess: answer => {
          notifications.show({
            message: `On the way ${answer.from ? `from ${word(answer.from)} ` : ''}back to ${word(answer.to)}`,
          })
          setRefusal(null)
          void navigate({ to: '/deployments/$deploymentId', params: { deploymentId: answer.deploymentId } })
        },
        onSettled: () => setAsking(false),
      },
    )
  return (
    <>
      <Button variant="default" size={size} onClick={() => setAsking(true)}>
        Roll back
      </Button>
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Roll ${app.name} back?`}
        act={earlier ? `Roll back to ${named(earlier)} (${ago(earlier.createdAt)})` : 'Roll back'}
        onAct={() => go(deployment?.id ?? '')}
        busy={rollback.isPending}
      >
        <Text size="sm">
          {earlier ? `The release ${named(earlier)}` : 'What served before'} comes back with its image, variables and
          limits; nothing is rebuilt and no request is lost. The live one {word(serves)} is kept, so you can go forward
          again.
        </Text>
      </Confirm>
      <Modal
        opened={refusal !== null}
        onClose={() => setRefusal(null)}
        title={<Text fw={600}>Which version?</Text>}
        closeButtonProps={{ 'aria-label': 'Close' }}
        centered
        size={520}
      >
        <Fault error={refusal} />
        <Group mt="lg" gap="xs">
          <Button variant="default" loading={rollback.isPending} onClick={() => go(serves)}>
            Deploy {word(serves)} again, which serves
          </Button>
          {before && (
            <Button loading={rollback.isPending} onClick={() => go(before.id)}>
              Go behind it, to {named(before)} ({ago(before.createdAt)})
            </Button>
          )}
        </Group>
      </Modal>
    </>
  )
}
