import { ActionIcon, Anchor, Button, Group, Menu, Modal, Select, Switch, Text, TextInput } from '@mantine/core'
import { IconDots, IconTrash } from '@tabler/icons-react'
import { useState } from 'react'
import type { App, DomainState } from '../api/client'
import { tellUndo, useAction, useCloudflare, useDomains, useServer } from '../api/queries'
import { Confirm, Copy, Fault, Loading, Panel, Quotation } from '../ui/parts'
import { Status } from '../ui/Status'
import { RoutingPanel } from './RoutingPanel'

/** One status for a name: where it points and how its certificate is. */
function state(domain: DomainState): { status: string; word: string } {
  const { certificate } = domain
  if (certificate.state === 'active')
    return {
      status: domain.problem ? 'attention' : 'running',
      word: `HTTPS until ${new Date(certificate.expiresAt!).toLocaleDateString(undefined, { day: 'numeric', month: 'short' })}`,
    }
  if (certificate.state === 'failing') return { status: 'failed', word: 'No certificate' }
  if (certificate.state === 'waiting') return { status: 'building', word: 'Certificate on its way' }
  return domain.problem ? { status: 'attention', word: 'Does not lead here' } : { status: 'running', word: 'HTTP' }
}

export function DomainsTab({ app }: { app: App }) {
  const found = useDomains(app.id)
  const [domain, setDomain] = useState('')
  const [removing, setRemoving] = useState<DomainState | null>(null)
  const [changing, setChanging] = useState<DomainState | null>(null)
  const add = useAction('/api/apps/domains/add', 'The domain is added')
  const remove = useAction('/api/apps/domains/remove')
  const update = useAction('/api/apps/domains/update')
  const cloudflare = useCloudflare()
  const lead = useAction('/api/cloudflare/dns', 'The DNS record is made; it is known everywhere within minutes')
  const bringBack = (gone: DomainState) =>
    add.mutate(
      { id: app.id, domain: gone.name },
      {
        // As it was: with its redirect, or without its path.
        onSuccess: () =>
          (gone.redirectTo || gone.stripPath) &&
          update.mutate({
            id: app.id,
            domain: gone.name,
            redirectTo: gone.redirectTo,
            ...(gone.name.includes('/') ? { stripPath: gone.stripPath } : {}),
          }),
      },
    )
  const takeAway = (gone: DomainState) =>
    remove.mutate(
      { id: app.id, domain: gone.name },
      {
        onSuccess: () => tellUndo(`${gone.name} is removed`, () => bringBack(gone)),
        onSettled: () => setRemoving(null),
      },
    )
  if (found.isPending) return <Loading of="list" />
  if (found.isError) return <Fault error={found.error} retry={() => void found.refetch()} />
  return (
    <div className="split">
      <div className="stack">
        <Panel
          title="Domains"
          inside={false}
          aside={
            <Button size="compact-xs" variant="subtle" loading={found.isFetching} onClick={() => void found.refetch()}>
              Look again
            </Button>
          }
        >
          <ul className="list">
            {found.data.map(entry => {
              const { status, word } = state(entry)
              return (
                <li key={entry.name} className="name">
                  <div className="row">
                    <span className="cut">
                      <Anchor underline="always" href={entry.url} target="_blank" rel="noreferrer">
                        {entry.name}
                      </Anchor>
                      {entry.isDefault && (
                        <Text span size="sm" c="dimmed">
                          {' '}
                          given by the platform
                        </Text>
                      )}
                      {entry.redirectTo && (
                        <Text span size="sm" c="dimmed">
                          {' '}
                          sends visitors to {entry.redirectTo}
                        </Text>
                      )}
                      {entry.stripPath && (
                        <Text span size="sm" c="dimmed">
                          {' '}
                          without its path
                        </Text>
                      )}
                    </span>
                    <Group gap={6} wrap="nowrap">
                      <Status status={status} word={word} />
                      <Copy value={entry.name} label={entry.name} />
                      {!entry.isDefault && (
                        <Menu position="bottom-end">
                          <Menu.Target>
                            <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Change ${entry.name}`}>
                              <IconDots size={14} />
                            </ActionIcon>
                          </Menu.Target>
                          <Menu.Dropdown>
                            <Menu.Item onClick={() => setChanging(entry)}>Redirect or path …</Menu.Item>
                            <Menu.Item
                              color="red"
                              leftSection={<IconTrash size={14} />}
                              onClick={() => setRemoving(entry)}
                            >
                              Remove {entry.name}
                            </Menu.Item>
                          </Menu.Dropdown>
                        </Menu>
                      )}
                    </Group>
                  </div>
                  {entry.problem && (
                    <p className="dim">
                      <strong>{entry.problem}.</strong> <Quotation of={entry.quoted} /> {entry.hint}
                    </p>
                  )}
                  {entry.problem && entry.pointsHere !== true && !entry.isDefault && cloudflare.data?.connected && (
                    <Button
                      mt={6}
                      size="compact-sm"
                      variant="default"
                      loading={lead.isPending}
                      onClick={() => lead.mutate({ domain: entry.name.split('/')[0] })}
                    >
                      Lead {entry.name.split('/')[0]} here by Cloudflare
                    </Button>
                  )}
                </li>
              )
            })}
          </ul>
          <form
            className="inside"
            onSubmit={event => {
              event.preventDefault()
              add.mutate({ id: app.id, domain }, { onSuccess: () => setDomain('') })
            }}
          >
            <Group align="end" gap="xs">
              <TextInput
                label="Add a domain"
                description="A name, or a path of one such as example.com/api"
                placeholder="shop.example.com"
                value={domain}
                onChange={event => setDomain(event.currentTarget.value)}
                style={{ flex: 1, minWidth: 200 }}
              />
              <Button type="submit" loading={add.isPending} disabled={!domain.includes('.')}>
                Add {domain.includes('.') ? domain.trim() : 'it'}
              </Button>
            </Group>
          </form>
        </Panel>
        <RoutingPanel app={app} />
      </div>
      <PointHere />
      <Confirm
        opened={removing !== null}
        onClose={() => setRemoving(null)}
        title={`Remove ${removing?.name}?`}
        act={`Remove ${removing?.name}`}
        danger
        busy={remove.isPending}
        onAct={() => removing && takeAway(removing)}
      >
        <Text size="sm">
          Visitors of {removing?.name} get a page that says no app answers. The app goes on at its other names; Undo, or
          adding the domain again, brings it back.
        </Text>
      </Confirm>
      {changing && (
        <Change
          app={app}
          domain={changing}
          others={found.data.map(entry => entry.name).filter(name => name !== changing.name && !name.includes('/'))}
          onClose={() => setChanging(null)}
        />
      )}
    </div>
  )
}

function Change({
  app,
  domain,
  others,
  onClose,
}: {
  app: App
  domain: DomainState
  others: string[]
  onClose: () => void
}) {
  const [target, setTarget] = useState(domain.redirectTo)
  const [strip, setStrip] = useState(domain.stripPath)
  const save = useAction('/api/apps/domains/update', 'Saved, and in effect')
  const hasPath = domain.name.includes('/')
  return (
    <Modal
      opened
      onClose={onClose}
      title={<Text fw={600}>{domain.name}</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          save.mutate(
            { id: app.id, domain: domain.name, redirectTo: target, ...(hasPath ? { stripPath: strip } : {}) },
            { onSuccess: onClose },
          )
        }}
      >
        <Select
          label="Visitors of this domain"
          data={[
            { value: '', label: 'see the app' },
            ...others.map(name => ({ value: name, label: `are sent to ${name}` })),
          ]}
          value={target}
          onChange={value => setTarget(value ?? '')}
          allowDeselect={false}
        />
        {hasPath && (
          <Switch
            mt="md"
            label={`The app does not see /${domain.name.split('/').slice(1).join('/')}`}
            checked={strip}
            onChange={event => setStrip(event.currentTarget.checked)}
          />
        )}
        <Group justify="flex-end" mt="lg" gap="xs">
          <Button variant="default" onClick={onClose}>
            Keep it as it is
          </Button>
          <Button type="submit" loading={save.isPending}>
            Save
          </Button>
        </Group>
      </form>
    </Modal>
  )
}

function PointHere() {
  const server = useServer()
  const address = server.data?.publicIp
  return (
    <Panel title="How to point it here">
      <Text size="sm">
        Make an A record of the domain{' '}
        {address ? (
          <>
            with the value <code>{address}</code> <Copy value={address} label="the address" />
          </>
        ) : (
          'that leads to this server'
        )}
        . The certificate is fetched{' '}
        {server.data?.tls === 'auto'
          ? 'by itself, and renewed.'
          : server.data?.tls === 'off'
            ? 'only when INGRESS_TLS is auto; it is off.'
            : 'by the proxy in front.'}
      </Text>
    </Panel>
  )
}
