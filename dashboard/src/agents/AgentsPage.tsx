import { Button, Group, Switch, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Agent } from '../api/client'
import { useAction, useAgents, useApps, useFrozen, useProjects } from '../api/queries'
import { Ago, Confirm, Fault, Head, Loading } from '../ui/parts'
import { Status } from '../ui/Status'
import { named } from '../ui/words'
import { NewAgent } from './NewAgent'
import { Reveal, RotateAgent } from './RotateAgent'
import { TrustRules } from './TrustRules'
import { sentence } from './words'

export function AgentsPage() {
  const agents = useAgents()
  const [making, setMaking] = useState(false)
  const [token, setToken] = useState<{ name: string; token: string } | null>(null)
  return (
    <>
      <Head
        title="Agents"
        truth="A token for each tool, script and CI job: it can do what you allow, and what it did is in the audit log."
        actions={<Button onClick={() => setMaking(true)}>New token</Button>}
      />
      <Freeze />
      {agents.isPending && <Loading of="list" />}
      {agents.isError && <Fault error={agents.error} retry={() => void agents.refetch()} />}
      {agents.data && (
        <div className="panel">
          {agents.data.length ? (
            <ul className="list">
              {agents.data.map(agent => (
                <AgentRow key={agent.id} agent={agent} onToken={setToken} />
              ))}
            </ul>
          ) : (
            <div className="empty">
              <h2>Let a machine deploy for you</h2>
              <p>
                Make a token for Claude Code, Cursor, GitHub Actions or a script. It never sees your admin token, nor
                the value of a secret.
              </p>
              <Button onClick={() => setMaking(true)}>Make the first token</Button>
            </div>
          )}
        </div>
      )}
      <TrustRules />
      <NewAgent opened={making} onClose={() => setMaking(false)} onToken={setToken} />
      <Reveal shown={token} onClose={() => setToken(null)} />
    </>
  )
}

/** One switch for the moment when something goes wrong. */
function Freeze() {
  const frozen = useFrozen()
  const [asking, setAsking] = useState(false)
  const freeze = useAction('/api/agents/freeze')
  const on = frozen.data?.frozen ?? false
  return (
    <div className={on ? 'notice attention' : undefined} style={{ marginBottom: 16 }}>
      <Group justify="space-between">
        <Switch
          label={on ? 'All agent tokens are frozen: they may only read' : 'Freeze all agent tokens'}
          checked={on}
          disabled={!frozen.data || freeze.isPending}
          onChange={() => (on ? freeze.mutate({ frozen: false }) : setAsking(true))}
        />
      </Group>
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title="Freeze all agent tokens?"
        act="Freeze all tokens"
        danger
        busy={freeze.isPending}
        onAct={() => freeze.mutate({ frozen: true }, { onSettled: () => setAsking(false) })}
      >
        <Text size="sm">
          Every token may only read from this moment on; changes are refused. Deployments that run come to their end.
          Switching it off undoes this.
        </Text>
      </Confirm>
    </div>
  )
}

function AgentRow({ agent, onToken }: { agent: Agent; onToken: (token: { name: string; token: string }) => void }) {
  const apps = useApps()
  const projects = useProjects()
  const [asking, setAsking] = useState(false)
  const [rotating, setRotating] = useState(false)
  const remove = useAction('/api/agents/delete', `The token of ${named(agent.name)} is gone`)
  const resume = useAction('/api/agents/resume', `The token of ${named(agent.name)} works again`)
  const names = [
    ...agent.projects.map(id => projects.data?.find(found => found.id === id)?.name),
    ...agent.apps.map(id => apps.data?.find(found => found.id === id)?.name),
  ]
  return (
    <li className="agent">
      <div className="row">
        <div>
          <Group gap="sm">
            <h2 dir="auto">{agent.name}</h2>
            {agent.suspendedAt && <Status status="failed" word="Suspended" />}
            {agent.expired && <Status status="expired" />}
          </Group>
          <p>
            {sentence(
              agent,
              names.filter(name => name !== undefined),
            )}
          </p>
          <p className="dim">
            <code>{agent.id}</code> ·{' '}
            {agent.lastUsedAt ? (
              <>
                last used <Ago at={agent.lastUsedAt} /> from {agent.lastAddress}, {agent.uses} calls
              </>
            ) : (
              'never used'
            )}
            {agent.oldTokenUntil && <> · the old token works until {new Date(agent.oldTokenUntil).toLocaleString()}</>}
            {agent.note && (
              <>
                {' '}
                · <bdi>{agent.note}</bdi>
              </>
            )}
          </p>
          {agent.suspendedAt && (
            <p role="status">
              It was stopped after {agent.suspendedReason}. Look at what it did before you let it go on.
            </p>
          )}
        </div>
        <Group gap="xs">
          <Button
            component={Link}
            to={`/audit?actor=${agent.id}`}
            size="xs"
            variant="default"
            aria-label={`Activity of ${agent.name}`}
          >
            Activity
          </Button>
          {agent.suspendedAt && (
            <Button
              size="xs"
              variant="default"
              loading={resume.isPending}
              onClick={() => resume.mutate({ id: agent.id })}
              aria-label={`Resume ${agent.name}`}
            >
              Resume
            </Button>
          )}
          <Button
            size="xs"
            variant="default"
            onClick={() => setRotating(true)}
            aria-label={`Replace the token of ${agent.name}`}
          >
            Replace
          </Button>
          <Button size="xs" variant="default" onClick={() => setAsking(true)} aria-label={`Revoke ${agent.name}`}>
            Revoke
          </Button>
        </Group>
      </div>
      <details>
        <summary className="dim">What it can do</summary>
        <ul className="can">
          {agent.can.map(line => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      </details>
      <RotateAgent agent={agent} opened={rotating} onClose={() => setRotating(false)} onToken={onToken} />
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Revoke the token of ${named(agent.name)}?`}
        act={`Revoke ${agent.name}`}
        danger
        busy={remove.isPending}
        onAct={() => remove.mutate({ id: agent.id }, { onSettled: () => setAsking(false) })}
      >
        <Text size="sm">
          Its next call is refused, and so are those of tokens that it made. What it did stays in the audit log. This
          can't be undone; a new token can be made.
        </Text>
      </Confirm>
    </li>
  )
}
