import { Button, Group, Text } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { post } from '../api/client'
import { tellError, useAction, useKeys, useSecurity } from '../api/queries'
import { Confirm, Fault, Panel } from '../ui/parts'
import { Status } from '../ui/Status'
import { duration } from '../ui/words'

/** How safe this installation is set up, the keys of its secrets, and who has to wait. */
export function SecurityPanels() {
  const security = useSecurity()
  if (security.isError) return <Fault error={security.error} retry={() => void security.refetch()} />
  if (!security.data) return null
  const open = security.data.checks.filter(check => !check.good).length
  return (
    <>
      <Panel
        title="Security"
        aside={
          <Status
            status={open ? 'attention' : 'success'}
            word={open ? `${open} of ${security.data.checks.length} could be better` : 'All done'}
          />
        }
        inside={false}
      >
        <ul className="list">
          {security.data.checks.map(check => (
            <li key={check.name} style={{ padding: '10px 16px' }}>
              <Status status={check.good ? 'success' : 'attention'} word={check.name} />
              <div className="dim">
                {check.state}. {check.advice}
              </div>
            </li>
          ))}
        </ul>
      </Panel>
      {security.data.lockOuts.length > 0 && (
        <Panel title="Waiting after failed sign-ins">
          <dl className="facts">
            {security.data.lockOuts.map(entry => (
              <div key={entry.network} style={{ display: 'contents' }}>
                <dt>
                  <code>{entry.network}</code>
                </dt>
                <dd>
                  {entry.failures} failures, waits {duration(entry.seconds)}
                </dd>
              </div>
            ))}
          </dl>
        </Panel>
      )}
      <KeysPanel />
    </>
  )
}

function KeysPanel() {
  const keys = useKeys()
  const [asking, setAsking] = useState(false)
  const rotate = useAction('/api/keys/rotate', 'A new key seals from now on')
  const verify = useMutation({
    mutationFn: () => post<{ ok: boolean; values: number; faults: string[] }>('/api/keys/verify'),
    onError: tellError,
  })
  if (!keys.data) return null
  const fromOutside = keys.data.source === 'environment'
  return (
    <Panel
      title="Keys of stored secrets"
      aside={
        <Group gap="xs">
          <Button size="xs" variant="default" loading={verify.isPending} onClick={() => verify.mutate()}>
            Check all secrets
          </Button>
          {!fromOutside && (
            <Button size="xs" variant="default" onClick={() => setAsking(true)}>
              Change the key
            </Button>
          )}
        </Group>
      }
    >
      <dl className="facts">
        {keys.data.keys.map(key => (
          <div key={key.id} style={{ display: 'contents' }}>
            <dt>
              <code>{key.id}</code>
            </dt>
            <dd>
              {key.active ? 'seals since' : key.retiredAt ? 'no longer used, made' : 'being replaced, made'}{' '}
              {new Date(key.createdAt).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' })}
            </dd>
          </div>
        ))}
      </dl>
      {fromOutside && (
        <Text size="sm" mt="sm" c="dimmed">
          The key is given by BETTER_PAAS_SECRET_KEY; change it there.
        </Text>
      )}
      {verify.data && (
        <p role="status">
          <Status
            status={verify.data.ok ? 'success' : 'failed'}
            word={verify.data.ok ? `All ${verify.data.values} can be opened` : verify.data.faults.join('; ')}
          />
        </p>
      )}
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title="Change the key of stored secrets?"
        act="Change the key"
        busy={rotate.isPending}
        onAct={() => rotate.mutate({}, { onSettled: () => setAsking(false) })}
      >
        <Text size="sm">
          A new key is made, and every stored secret is sealed with it while the server works on. Backups from before
          need the old key, which the server then no longer has.
        </Text>
      </Confirm>
    </Panel>
  )
}
