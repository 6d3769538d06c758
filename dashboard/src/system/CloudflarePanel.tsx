import { Button, Group, PasswordInput, Text } from '@mantine/core'
import { useState } from 'react'
import { useAction, useCloudflare, useServer } from '../api/queries'
import { Confirm, Fault, Panel } from '../ui/parts'
import { Status } from '../ui/Status'

/** The token for the DNS, and the certificate for all apps that it makes possible. */
export function CloudflarePanel() {
  const cloudflare = useCloudflare()
  const server = useServer()
  const [token, setToken] = useState('')
  const [asking, setAsking] = useState(false)
  const save = useAction('/api/cloudflare/token/save', 'Cloudflare is connected')
  const forget = useAction('/api/cloudflare/token/delete', 'The token is forgotten')
  if (cloudflare.isError) return <Fault error={cloudflare.error} retry={() => void cloudflare.refetch()} />
  if (!cloudflare.data) return null
  const { connected, wildcard, wildcardUntil, problem } = cloudflare.data
  return (
    <Panel
      title="Cloudflare"
      aside={
        connected ? (
          <Button size="xs" variant="default" onClick={() => setAsking(true)}>
            Disconnect
          </Button>
        ) : (
          <Status status="stopped" word="Not connected" />
        )
      }
    >
      {connected ? (
        <dl className="facts">
          <dt>DNS</dt>
          <dd>
            <Status status="running" word="Connected" />
            <div className="dim">The Domains page of each app can lead a domain here with one click.</div>
          </dd>
          <dt>One certificate for all</dt>
          <dd>
            {!wildcard ? (
              <>
                <Status status="stopped" word="Not wanted" />
                <div className="dim">
                  Set APPS_DOMAIN to give each app a name below your own domain with one certificate.
                </div>
              </>
            ) : problem ? (
              <>
                <Status status="failed" word={`${wildcard} has none yet`} />
                <div className="dim">{problem}. It is tried again by itself.</div>
              </>
            ) : wildcardUntil ? (
              <Status
                status="running"
                word={`${wildcard} until ${new Date(wildcardUntil).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' })}`}
              />
            ) : (
              <Status status="building" word={`${wildcard} is on its way`} />
            )}
          </dd>
        </dl>
      ) : (
        <form
          onSubmit={event => {
            event.preventDefault()
            save.mutate({ token }, { onSuccess: () => setToken('') })
          }}
        >
          <Text size="sm" mb="sm">
            With a token that may read zones and edit DNS (Zone.Zone and Zone.DNS), domains are led here with one click
            {server.data?.tls === 'auto' ? ', and one wildcard certificate serves all apps below APPS_DOMAIN' : ''}. It
            is sealed and never shown again.
          </Text>
          <Group align="end" gap="xs">
            <PasswordInput
              label="API token"
              value={token}
              onChange={event => setToken(event.currentTarget.value)}
              autoComplete="off"
              style={{ flex: 1, minWidth: 220 }}
            />
            <Button type="submit" loading={save.isPending} disabled={token.length < 20}>
              Connect Cloudflare
            </Button>
          </Group>
        </form>
      )}
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title="Disconnect Cloudflare?"
        act="Forget the token"
        danger
        busy={forget.isPending}
        onAct={() => forget.mutate({}, { onSettled: () => setAsking(false) })}
      >
        <Text size="sm">
          The token is forgotten. DNS records stay as they are; a wildcard certificate is served until it ends, and not
          renewed.
        </Text>
      </Confirm>
    </Panel>
  )
}
