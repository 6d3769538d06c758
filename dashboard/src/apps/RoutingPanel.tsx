import { ActionIcon, Button, Group, NumberInput, PasswordInput, Stack, Switch, Text, TextInput } from '@mantine/core'
import { IconPlus, IconTrash } from '@tabler/icons-react'
import type { App, Routing } from '../api/client'
import { useAction, useRouting } from '../api/queries'
import { Meanwhile } from '../ui/Meanwhile'
import { Fault, Loading, Panel } from '../ui/parts'
import { useFields } from '../ui/useFields'

const KEPT = '***'

type Fields = Omit<Routing, 'version'>

/** What a rule is called, and how it is said beside another. */
const RULES: Record<keyof Fields, [string, (rules: Fields) => string]> = {
  forceHttps: ['Send visitors to HTTPS', rules => (rules.forceHttps ? 'yes' : 'no')],
  maxBodyMb: ['Largest request (MiB)', rules => String(rules.maxBodyMb || 'any size')],
  timeoutSeconds: ['Longest wait (seconds)', rules => String(rules.timeoutSeconds || 'no limit')],
  basicAuth: [
    'Names and passwords',
    rules =>
      rules.basicAuth
        .map(account => (account.password === KEPT ? account.username : `${account.username} (new password)`))
        .join(', '),
  ],
  responseHeaders: [
    'Headers of answers',
    rules =>
      Object.entries(rules.responseHeaders)
        .map(([name, value]) => `${name}: ${value}`)
        .join(', '),
  ],
  removeHeaders: ['Headers that are taken away', rules => rules.removeHeaders.join(', ')],
}

/** Rules of the ingress: they take effect at once. */
export function RoutingPanel({ app }: { app: App }) {
  const found = useRouting(app.id)
  if (found.isPending) return <Loading of="list" />
  if (found.isError) return <Fault error={found.error} />
  return <Rules app={app} stored={found.data} />
}

const without = ({ version: _, ...fields }: Routing): Fields => fields

function Rules({ app, stored }: { app: App; stored: Routing }) {
  const save = useAction<Routing>('/api/apps/routing', 'Saved, and in effect', { stale: () => form.refuse() })
  const form = useFields(without(stored), stored.version, !save.isPending)
  const { fields: rules, changed, disputed, set } = form
  const submit = (version: string) =>
    save.mutate(
      { id: app.id, version, ...Object.fromEntries(changed.map(key => [key, rules[key]])) },
      { onSuccess: answer => form.saved(rules, without(answer), answer.version) },
    )
  const headers = Object.entries(rules.responseHeaders)
  const setHeader = (index: number, name: string, value: string) =>
    set({ responseHeaders: Object.fromEntries(headers.map((entry, at) => (at === index ? [name, value] : entry))) })
  const setAccount = (index: number, change: Partial<Routing['basicAuth'][number]>) =>
    set({ basicAuth: rules.basicAuth.map((entry, at) => (at === index ? { ...entry, ...change } : entry)) })
  return (
    <Panel
      title="Rules for requests"
      aside={
        <Text size="xs" c="dimmed">
          In effect at once, without a deployment.
        </Text>
      }
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          submit(form.version)
        }}
      >
        <Stack gap="md">
          <Switch
            label="Send visitors who come by HTTP to HTTPS"
            checked={rules.forceHttps}
            onChange={event => set({ forceHttps: event.currentTarget.checked })}
          />
          <Group grow align="start">
            <NumberInput
              label="Largest request (MiB)"
              placeholder="any size"
              value={rules.maxBodyMb || ''}
              onChange={value => set({ maxBodyMb: Number(value) || 0 })}
              min={0}
              hideControls
            />
            <NumberInput
              label="Longest wait for an answer (seconds)"
              placeholder="no limit"
              value={rules.timeoutSeconds || ''}
              onChange={value => set({ timeoutSeconds: Number(value) || 0 })}
              min={0}
              hideControls
            />
          </Group>
          <div>
            <Text size="sm" fw={500}>
              Names and passwords
            </Text>
            <Text size="xs" c="dimmed">
              With any, every visitor has to sign in.
            </Text>
            {rules.basicAuth.map((account, index) => (
              <Group key={index} gap="xs" mt="xs" wrap="nowrap">
                <TextInput
                  aria-label={`Name ${index + 1}`}
                  placeholder="name"
                  value={account.username}
                  onChange={event => setAccount(index, { username: event.currentTarget.value })}
                  style={{ flex: 1 }}
                />
                <PasswordInput
                  aria-label={`Password of ${account.username || `name ${index + 1}`}`}
                  autoComplete="new-password"
                  placeholder={account.password === KEPT ? 'kept; type to replace' : 'password'}
                  value={account.password === KEPT ? '' : account.password}
                  visibilityToggleButtonProps={{
                    'aria-label': `Show the password of ${account.username || `name ${index + 1}`}`,
                  }}
                  onChange={event => setAccount(index, { password: event.currentTarget.value })}
                  style={{ flex: 1 }}
                />
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={`Remove ${account.username || `name ${index + 1}`}`}
                  onClick={() => set({ basicAuth: rules.basicAuth.filter((_, at) => at !== index) })}
                >
                  <IconTrash size={16} />
                </ActionIcon>
              </Group>
            ))}
            <Button
              mt="xs"
              size="xs"
              variant="default"
              leftSection={<IconPlus size={14} />}
              onClick={() => set({ basicAuth: [...rules.basicAuth, { username: '', password: '' }] })}
            >
              Add a name
            </Button>
          </div>
          <div>
            <Text size="sm" fw={500}>
              Headers of answers
            </Text>
            {headers.map(([name, value], index) => (
              <Group key={index} gap="xs" mt="xs" wrap="nowrap">
                <TextInput
                  aria-label={`Header ${index + 1}`}
                  placeholder="X-Frame-Options"
                  classNames={{ input: 'mono' }}
                  value={name}
                  onChange={event => setHeader(index, event.currentTarget.value, value)}
                  style={{ flex: 1 }}
                />
                <TextInput
                  aria-label={`Value of ${name || `header ${index + 1}`}`}
                  placeholder="DENY"
                  value={value}
                  onChange={event => setHeader(index, name, event.currentTarget.value)}
                  style={{ flex: 1 }}
                />
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={`Remove ${name || `header ${index + 1}`}`}
                  onClick={() => set({ responseHeaders: Object.fromEntries(headers.filter((_, at) => at !== index)) })}
                >
                  <IconTrash size={16} />
                </ActionIcon>
              </Group>
            ))}
            <Button
              mt="xs"
              size="xs"
              variant="default"
              leftSection={<IconPlus size={14} />}
              disabled={'' in rules.responseHeaders}
              onClick={() => set({ responseHeaders: { ...rules.responseHeaders, '': '' } })}
            >
              Add a header
            </Button>
          </div>
          {disputed && (
            <Meanwhile
              what={`Rules of ${app.name} were`}
              fields={disputed.map(key => ({
                name: RULES[key][0],
                theirs: RULES[key][1](stored),
                mine: RULES[key][1](rules),
              }))}
              onLoad={form.load}
              keep="Save mine over it"
              onKeep={() => submit(stored.version)}
              busy={save.isPending}
            />
          )}
          <Group gap="xs">
            <Button type="submit" disabled={!changed.length || disputed !== null} loading={save.isPending}>
              Save the rules
            </Button>
            {changed.length > 0 && !disputed && (
              <Button variant="subtle" onClick={form.load}>
                Undo the changes
              </Button>
            )}
          </Group>
        </Stack>
      </form>
    </Panel>
  )
}
