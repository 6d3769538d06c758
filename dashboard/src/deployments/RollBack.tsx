import { Button, Text } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { App, Deployment } from '../api/client'
import { useAction } from '../api/queries'
import { Confirm } from '../ui/parts'
import { ago, shortCommit } from '../ui/words'

/** Offers to bring an earlier release back, and names which. */
export function RollBack({ app, deployment, size }: { app: App; deployment: Deployment; size?: string }) {
  const [asking, setAsking] = useState(false)
  const navigate = useNavigate()
  const rollback = useAction<{ deploymentId: string }>('/api/apps/rollback')
  const what = shortCommit(deployment.commit) || deployment.id
  const go = () =>
    rollback.mutate(
      { id: app.id, deploymentId: deployment.id },
      { onSuccess: answer => void navigate({ to: '/deployments/$deploymentId', params: { deploymentId: answer.deploymentId } }), onSettled: () => setAsking(false) },
    )
  return (
    <>
      <Button variant="default" size={size} onClick={() => setAsking(true)}>
        Roll back
      </Button>
      <Confirm opened={asking} onClose={() => setAsking(false)} title={`Roll ${app.name} back?`} act={`Roll back to ${what} (${ago(deployment.createdAt)})`} onAct={go} busy={rollback.isPending}>
        <Text size="sm">
          The release {what} comes back with its image, variables and limits; nothing is rebuilt and no request is lost. The live one{' '}
          {shortCommit(app.activeCommit) || app.activeDeployId} is kept, so you can go forward again.
        </Text>
      </Confirm>
    </>
  )
}
