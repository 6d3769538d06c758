import { ActionIcon, Button, Group, Text, TextInput } from '@mantine/core'
import { IconTrash } from '@tabler/icons-react'
import { useState } from 'react'
import type { App } from '../api/client'
import { useAction, useServer } from '../api/queries'
import { Confirm, Copy, Panel } from '../ui/parts'

export function DomainsTab({ app }: { app: App }) {
  const server = useServer()
  const [domain, setDomain] = useState('')
  const [removing, setRemoving] = useState<string | null>(null)
  const add = useAction('/api/apps/domains/add', 'The domain is added')
  const remove = useAction('/api/apps/domains/remove', 'The domain is removed')
  const address = server.data?.publicIp
  return (
    <div className="split">
      <Panel title="Domains" inside={false}>
        <ul className="list">
          <li style={{ padding: '10px 16px' }}>
            <Group justify="space-between" wrap="nowrap">
              <span className="cut">{app.defaultHost} <Text span size="sm" c="dimmed">given by the platform</Text></span>
              <Copy value={app.defaultHost} label={app.defaultHost} />
            </Group>
          </li>
          {app.domains.map(name => (
            <li key={name} style={{ padding: '10px 16px' }}>
              <Group justify="space-between" wrap="nowrap">
                <span className="cut">{name}</span>
                <Group gap={4} wrap="nowrap">
                  <Copy value={name} label={name} />
                  <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Remove ${name}`} onClick={() => setRemoving(name)}>
                    <IconTrash size={14} />
                  </ActionIcon>
                </Group>
              </Group>
            </li>
          ))}
        </ul>
        <form className="inside" onSubmit={event => { event.preventDefault(); add.mutate({ id: app.id, domain }, { onSuccess: () => setDomain('') }) }}>
          <Group align="end" gap="xs">
            <TextInput label="Add a domain" placeholder="shop.example.com" value={domain} onChange={event => setDomain(event.currentTarget.value)} style={{ flex: 1, minWidth: 200 }} />
            <Button type="submit" loading={add.isPending} disabled={!domain.includes('.')}>
              Add {domain.includes('.') ? domain.trim() : 'it'}
            </Button>
          </Group>
        </form>
      </Panel>
      <Panel title="How to point it here">
        <Text size="sm">
          Make an A record of the domain {address ? <>with the value <code>{address}</code> <Copy value={address} label="the address" /></> : 'that leads to this server'}. The certificate is fetched at the first visit{' '}
          {server.data?.tls === 'auto' ? 'by itself.' : server.data?.tls === 'off' ? 'only when INGRESS_TLS is auto; it is off.' : 'by the proxy in front.'}
        </Text>
      </Panel>
      <Confirm opened={removing !== null} onClose={() => setRemoving(null)} title={`Remove ${removing}?`} act={`Remove ${removing}`} danger busy={remove.isPending}
        onAct={() => remove.mutate({ id: app.id, domain: removing }, { onSettled: () => setRemoving(null) })}>
        <Text size="sm">Visitors of {removing} get a page that says no app answers. The app goes on at its other names; adding the domain again undoes this.</Text>
      </Confirm>
    </div>
  )
}
