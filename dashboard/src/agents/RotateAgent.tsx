import { Button, Group, Modal, Select, Text } from '@mantine/core'
import { useState } from 'react'
import type { Agent } from '../api/client'
import { useAction } from '../api/queries'
import { Copy } from '../ui/parts'
import { named } from '../ui/words'

const GRACES = [
  { value: '0', label: 'stops at once' },
  { value: '3600', label: 'works for another hour' },
  { value: '86400', label: 'works for another day' },
  { value: '604800', label: 'works for another week' },
]

/** A new token in the place of the old one, which may go on for a while. */
export function RotateAgent({
  agent,
  opened,
  onClose,
  onToken,
}: {
  agent: Agent
  opened: boolean
  onClose: () => void
  onToken: (token: { name: string; token: string }) => void
}) {
  const [grace, setGrace] = useState('0')
  const rotate = useAction<{ token: string }>('/api/agents/rotate')
  const submit = () =>
    rotate.mutate(
      { id: agent.id, graceSeconds: Number(grace) },
      {
        onSuccess: answer => {
          onClose()
          onToken({ name: agent.name, token: answer.token })
        },
      },
    )
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={<Text fw={600}>Replace the token of {named(agent.name)}</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          submit()
        }}
      >
        <Text size="sm" mb="sm">
          It keeps its name, rights and history, and gets a new secret.
        </Text>
        <Select
          label="The old token"
          data={GRACES}
          value={grace}
          onChange={value => setGrace(value ?? '0')}
          allowDeselect={false}
          description="Its use is marked in the audit log meanwhile."
        />
        <Group justify="flex-end" mt="lg" gap="xs">
          <Button variant="default" onClick={onClose}>
            Keep it as it is
          </Button>
          <Button type="submit" loading={rotate.isPending}>
            Replace the token
          </Button>
        </Group>
      </form>
    </Modal>
  )
}

/** The token, this once. */
export function Reveal({ shown, onClose }: { shown: { name: string; token: string } | null; onClose: () => void }) {
  return (
    <Modal
      opened={shown !== null}
      onClose={onClose}
      title={<Text fw={600}>The token of {shown?.name}</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      closeOnClickOutside={false}
      centered
      size="lg"
    >
      <Text size="sm" mb="sm">
        Copy it now. It is shown this once, and stored nowhere.
      </Text>
      <Group wrap="nowrap" align="start">
        <code className="token" data-token>
          {shown?.token}
        </code>
        <Copy value={shown?.token ?? ''} label="the token" />
      </Group>
      <Text size="sm" mt="md">
        Use it as <code>Authorization: Bearer &lt;token&gt;</code>. Lost it? Replace it. Leaked? Revoke it, or send it
        to <code>POST /api/token-report</code>.
      </Text>
      <Group justify="flex-end" mt="lg">
        <Button onClick={onClose}>I have copied it</Button>
      </Group>
    </Modal>
  )
}
