import { Button, Group, Select, Text, TextInput } from '@mantine/core'
import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { type AuditEntry, type AuditProof, getPage, post, session } from '../api/client'
import { tellError, useAgents } from '../api/queries'
import { auditRoute } from '../router'
import { Copy, Fault, Head, Loading } from '../ui/parts'
import { Status } from '../ui/Status'

const OUTCOMES = [
  { value: 'success', label: 'Done' },
  { value: 'failure', label: 'Failed' },
  { value: 'denied', label: 'Refused' },
  { value: 'pending', label: 'Waiting for a person' },
  { value: 'intent', label: 'Began' },
]

export function AuditPage() {
  const { actor = '' } = auditRoute.useSearch()
  const navigate = useNavigate()
  const agents = useAgents()
  const [outcome, setOutcome] = useState('')
  const [action, setAction] = useState('')
  const [text, setText] = useState('')
  const found = useInfiniteQuery({
    queryKey: ['audit', actor, outcome, action, text],
    queryFn: ({ pageParam }) =>
      getPage<AuditEntry>('/api/audit-logs', {
        limit: 50,
        actor,
        outcome,
        action,
        text,
        cursor: pageParam || undefined,
      }),
    initialPageParam: '',
    getNextPageParam: page => page.next,
    placeholderData: before => before,
  })
  const proof = useProof()
  const entries = found.data?.pages.flatMap(page => page.items) ?? []
  const actors = [
    { value: 'admin', label: 'admin' },
    { value: 'system', label: 'the system' },
    ...(agents.data ?? []).map(agent => ({ value: agent.id, label: agent.name })),
  ]
  return (
    <>
      <Head
        title="Audit"
        truth="What was done, by whom, from where, and with what result. Each entry is part of a signed tree: a change of it shows."
        actions={proof.buttons}
      />
      {proof.report}
      <Group gap="xs" mb="md" align="end">
        <Select
          aria-label="Actor"
          size="xs"
          placeholder="Everybody"
          clearable
          clearButtonProps={{ 'aria-label': 'Everybody' }}
          data={
            actors.some(entry => entry.value === actor) || !actor ? actors : [...actors, { value: actor, label: actor }]
          }
          value={actor || null}
          onChange={value => void navigate({ to: '/audit', search: value ? { actor: value } : {} })}
        />
        <Select
          aria-label="Outcome"
          size="xs"
          placeholder="Every outcome"
          clearable
          clearButtonProps={{ 'aria-label': 'Every outcome' }}
          data={OUTCOMES}
          value={outcome || null}
          onChange={value => setOutcome(value ?? '')}
        />
        <TextInput
          aria-label="Action"
          size="xs"
          placeholder="Action, such as app:delete"
          value={action}
          onChange={event => setAction(event.currentTarget.value.trim())}
        />
        <TextInput
          aria-label="Search the entries"
          size="xs"
          placeholder="Text anywhere"
          data-page-search
          value={text}
          onChange={event => setText(event.currentTarget.value)}
        />
      </Group>
      {found.isPending && <Loading of="list" />}
      {found.isError && <Fault error={found.error} retry={() => void found.refetch()} />}
      {found.data && (
        <div className="panel">
          {entries.length ? (
            <ul className="list trail">
              {entries.map(entry => (
                <Entry key={entry.id} entry={entry} />
              ))}
            </ul>
          ) : (
            <div className="empty">
              <h2>{found.hasNextPage ? 'Nothing in the newest entries' : 'No such entries'}</h2>
              <p>{found.hasNextPage ? 'Older ones may fit.' : 'Each change, refusal and sign-in is written here.'}</p>
            </div>
          )}
          {found.hasNextPage && (
            <Group justify="center" p="sm">
              <Button
                size="xs"
                variant="default"
                loading={found.isFetchingNextPage}
                onClick={() => void found.fetchNextPage()}
              >
                Show older entries
              </Button>
            </Group>
          )}
        </div>
      )}
    </>
  )
}

function Entry({ entry }: { entry: AuditEntry }) {
  const [open, setOpen] = useState(false)
  const moment = new Date(entry.createdAt)
  const who = entry.actorName || entry.actorId || 'nobody'
  const what = entry.resourceName || entry.resourceId
  return (
    <li>
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        <time dateTime={entry.createdAt} className="dim" title={moment.toISOString()}>
          {moment.toLocaleString('en', {
            day: 'numeric',
            month: 'short',
            hour: '2-digit',
            minute: '2-digit',
            second: '2-digit',
            hour12: false,
          })}
        </time>
        <Status status={entry.outcome} />
        <code>{entry.action}</code>
        <span className="cut">
          <strong>
            <bdi>{who}</bdi>
          </strong>{' '}
          {what && (
            <>
              · <bdi>{what}</bdi>
            </>
          )}{' '}
          {entry.count > 1 && `· ${entry.count} times`}{' '}
          <span className="dim">
            <bdi>{entry.error || entry.payloadSummary}</bdi>
          </span>
        </span>
      </button>
      {open && (
        <div className="detail">
          <dl className="facts">
            <dt>Entry</dt>
            <dd>
              {entry.id} <Copy value={entry.id} label="the entry's number" />
            </dd>
            <dt>Actor</dt>
            <dd>
              {entry.actorType} <code>{entry.actorId || '–'}</code> by {entry.source} from{' '}
              {entry.ipAddress || 'this server'}
            </dd>
            <dt>Resource</dt>
            <dd>
              {entry.resourceType || '–'} <code>{entry.resourceId}</code>
            </dd>
            <dt>Request</dt>
            <dd>
              <code>{entry.requestId}</code>
            </dd>
            {entry.approvalId && (
              <>
                <dt>Approval</dt>
                <dd>
                  <code>{entry.approvalId}</code>
                </dd>
              </>
            )}
            {entry.durationMs != null && (
              <>
                <dt>Took</dt>
                <dd>
                  {entry.durationMs} ms{entry.status ? `, status ${entry.status}` : ''}
                </dd>
              </>
            )}
            {entry.error && (
              <>
                <dt>Reason</dt>
                <dd>{entry.error}</dd>
              </>
            )}
          </dl>
          {Object.keys(entry.diff).length > 0 && <pre>{JSON.stringify(entry.diff, null, 2)}</pre>}
          {Object.keys(entry.payload).length > 0 && <pre>{JSON.stringify(entry.payload, null, 2)}</pre>}
        </div>
      )}
    </li>
  )
}

/** Checks the whole log, and brings it as a file: the buttons for the page's head, and below it what was found. */
function useProof() {
  const verify = useMutation({ mutationFn: () => post<AuditProof>('/api/audit-logs/verify'), onError: tellError })
  const download = useMutation({
    mutationFn: async () => {
      const response = await fetch('/api/audit-logs/export', {
        headers: { Authorization: `Bearer ${session.token()}` },
      })
      if (!response.ok) throw new Error(`The server answered ${response.status}`)
      const link = document.createElement('a')
      link.href = URL.createObjectURL(await response.blob())
      link.download = 'audit.jsonl'
      link.click()
      URL.revokeObjectURL(link.href)
    },
    onError: tellError,
  })
  const report = verify.data
  return {
    buttons: (
      <>
        <Button variant="default" loading={download.isPending} onClick={() => download.mutate()}>
          Download
        </Button>
        <Button loading={verify.isPending} onClick={() => verify.mutate()}>
          Prove the log
        </Button>
      </>
    ),
    report: report && (
      <div
        className={report.ok ? 'notice attention' : 'notice'}
        role="status"
        style={{ marginBottom: 16, ...(report.ok ? { borderColor: 'var(--paas-running)' } : {}) }}
      >
        <Status
          status={report.ok ? 'success' : 'failed'}
          word={
            report.ok
              ? `All ${report.entries} entries fit ${report.checkpoints} signed checkpoints`
              : 'The log is not what it was'
          }
        />
        {report.findings.map(finding => (
          <p key={finding}>{finding}</p>
        ))}
        {report.dangling.length > 0 && (
          <Text size="sm" mt={4}>
            {report.dangling.length} calls began and never ended: the server was stopped meanwhile.
          </Text>
        )}
      </div>
    ),
  }
}
