import { Button, Group, Modal, NumberInput, Select, Stack, TagsInput, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { AgentWithToken } from '../api/client'
import { useAction } from '../api/queries'
import { useRights } from './useRights'

const APPROVALS = [
  { value: 'destructive', label: 'before it deletes or takes anything away' },
  { value: 'all', label: 'before every change' },
  { value: 'none', label: 'not at all' },
]

/** The form of a new token, with what it could do beside it while you choose. */
export function NewAgent({
  opened,
  onClose,
  onToken,
}: {
  opened: boolean
  onClose: () => void
  onToken: (token: { name: string; token: string }) => void
}) {
  const [name, setName] = useState('')
  const [approval, setApproval] = useState<string>('destructive')
  const [addresses, setAddresses] = useState<string[]>([])
  const [deploys, setDeploys] = useState<number | string>('')
  const limits = {
    requireApproval: approval,
    addresses,
    ...(deploys === '' ? {} : { deploysPerHour: Number(deploys) }),
  }
  const rights = useRights({ own: true, enabled: opened, more: limits })
  const create = useAction<AgentWithToken>('/api/agents/create')
  const submit = () =>
    create.mutate(
      { name, ...rights.fields },
      {
        onSuccess: made => {
          onClose()
          setName('')
          onToken(made)
        },
      },
    )

  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={<Text fw={600}>New agent token</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      size="xl"
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          submit()
        }}
      >
        <div className="split">
          <Stack gap="md">
            <TextInput
              label="Who or what uses it"
              placeholder="Claude Code on my laptop"
              value={name}
              onChange={event => setName(event.currentTarget.value)}
              maxLength={80}
              data-autofocus
              required
            />
            {rights.inputs}
            <Group grow align="start">
              {rights.life}
              <Select
                label="A person is asked"
                data={APPROVALS}
                value={approval}
                onChange={value => setApproval(value ?? 'destructive')}
                allowDeselect={false}
              />
            </Group>
            <Group grow align="start">
              <TagsInput
                label="Only from these addresses"
                placeholder={addresses.length ? undefined : 'from anywhere'}
                value={addresses}
                onChange={setAddresses}
              />
              <NumberInput
                label="Deployments an hour"
                placeholder="no limit"
                min={1}
                max={10_000}
                value={deploys}
                onChange={setDeploys}
              />
            </Group>
          </Stack>
          {rights.words}
        </div>
        <Group justify="flex-end" mt="lg" gap="xs">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending} disabled={!rights.complete || !name.trim()}>
            Make the token
          </Button>
        </Group>
      </form>
    </Modal>
  )
}
