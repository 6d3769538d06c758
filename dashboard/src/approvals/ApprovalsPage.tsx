import { Button, Group, Modal, SegmentedControl, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import type { Approval } from '../api/client'
import { useAction, useApprovals } from '../api/queries'
import { Ago, Confirm, Fault, Head, Loading, Quotation } from '../ui/parts'
import { Status } from '../ui/Status'
import { named } from '../ui/words'

export function ApprovalsPage() {
  const [status, setStatus] = useState<'pending' | 'all'>('pending')
  const found = useApprovals(status)
  const waiting = useApprovals('pending').data?.length ?? 0
  return (
    <>
      <Head
        title="Approvals"
        status={waiting ? <Status status="pending" word={`${waiting} waiting`} /> : undefined}
        truth="Calls that agents may make only after a person has said yes: this one call, once, within 15 minutes."
      />
      <SegmentedControl
        aria-label="Which"
        size="xs"
        mb="md"
        value={status}
        onChange={value => setStatus(value as 'pending' | 'all')}
        data={[
          { value: 'pending', label: 'Waiting' },
          { value: 'all', label: 'All' },
        ]}
      />
      {found.isPending && <Loading of="list" />}
      {found.isError && <Fault error={found.error} retry={() => void found.refetch()} />}
      {found.data && (
        <div className="panel">
          {found.data.length ? (
            <ul className="list">
              {found.data.map(approval => (
                <Row key={approval.id} approval={approval} />
              ))}
            </ul>
          ) : (
            <div className="empty">
              <h2>Nothing waits for you</h2>
              <p>
                When an agent wants to delete something, or its token asks before every change, the call shows up here.
              </p>
            </div>
          )}
        </div>
      )}
    </>
  )
}

function Row({ approval }: { approval: Approval }) {
  const [asking, setAsking] = useState(false)
  const [refusing, setRefusing] = useState(false)
  const [reason, setReason] = useState('')
  const approve = useAction('/api/approvals/approve', `Approved: ${approval.summary}`)
  const deny = useAction('/api/approvals/deny', `Refused: ${approval.summary}`)
  const payload = Object.entries(approval.payload)
  return (
    <li className="agent">
      <div className="row">
        <div>
          <Group gap="sm">
            <Status status={approval.status} />
            <span className="dim">
              <bdi>{approval.agentName}</bdi> asked <Ago at={approval.createdAt} />
            </span>
          </Group>
          <h2>{approval.summary}</h2>
          <Quotation of={approval.quoted} />
          <p className="dim">
            <code>{approval.action}</code>
            {payload.length > 0 && (
              <>
                {' '}
                with{' '}
                <bdi>
                  {payload
                    .map(([name, value]) => `${name} = ${typeof value === 'string' ? value : JSON.stringify(value)}`)
                    .join(', ')}
                </bdi>
              </>
            )}
            {approval.reason && (
              <>
                {' '}
                · “<bdi>{approval.reason}</bdi>”
              </>
            )}
            {approval.status === 'pending' && <> · until {new Date(approval.expiresAt).toLocaleTimeString()}</>}
          </p>
        </div>
        {approval.status === 'pending' && (
          <Group gap="xs">
            <Button
              size="xs"
              variant="default"
              onClick={() => setRefusing(true)}
              aria-label={`Refuse: ${approval.summary}`}
            >
              Refuse…
            </Button>
            <Button size="xs" onClick={() => setAsking(true)} aria-label={`Approve: ${approval.summary}`}>
              Approve…
            </Button>
          </Group>
        )}
      </div>
      <Modal
        opened={refusing}
        onClose={() => setRefusing(false)}
        title={<Text fw={600}>Refuse this call of {named(approval.agentName)}?</Text>}
        closeButtonProps={{ 'aria-label': 'Close' }}
        centered
      >
        <form
          onSubmit={event => {
            event.preventDefault()
            deny.mutate({ id: approval.id, reason }, { onSettled: () => setRefusing(false) })
          }}
        >
          <Text size="sm" mb="sm">
            {approval.summary} <Quotation of={approval.quoted} />
          </Text>
          <Textarea
            label="Why, for the agent to read"
            placeholder="Not before the release on Monday; archive it instead."
            value={reason}
            onChange={event => setReason(event.currentTarget.value)}
            maxLength={300}
            autosize
            minRows={2}
            data-autofocus
          />
          <Group justify="flex-end" mt="lg" gap="xs">
            <Button variant="default" onClick={() => setRefusing(false)}>
              Cancel
            </Button>
            <Button type="submit" loading={deny.isPending}>
              Refuse this call
            </Button>
          </Group>
        </form>
      </Modal>
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Let ${named(approval.agentName)} do this?`}
        act="Approve this call"
        danger
        busy={approve.isPending}
        onAct={() => approve.mutate({ id: approval.id }, { onSettled: () => setAsking(false) })}
      >
        <Text size="sm">
          {approval.summary} <Quotation of={approval.quoted} />
        </Text>
        <Text size="sm" mt="sm">
          It may make this very call once, as long as {approval.resourceName || 'the resource'} stays as it is now. Any
          other call has to ask again.
        </Text>
      </Confirm>
    </li>
  )
}
