import { Modal, TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState } from 'react'
import { settling, useAction, useApps, useDeployments } from '../api/queries'
import { Status } from '../ui/Status'
import { ago, shortCommit } from '../ui/words'

interface Entry {
  key: string
  label: string
  detail?: string
  status?: string
  run: () => void
}

const PAGES = [
  ['/', 'Apps'],
  ['/new', 'New app'],
  ['/projects', 'Projects'],
  ['/deployments', 'Deployments'],
  ['/volumes', 'Volumes'],
  ['/trash', 'Trash'],
  ['/agents', 'Agents'],
  ['/approvals', 'Approvals'],
  ['/audit', 'Audit'],
  ['/system', 'System'],
] as const
const TABS = ['deployments', 'logs', 'resources', 'variables', 'domains', 'settings'] as const
const MOST = 12

/** ⌘K: apps, their pages and actions, deployments, places. Letters may be left out. */
export function Palette({ onClose }: { onClose: () => void }) {
  const [search, setSearch] = useState('')
  const [current, setCurrent] = useState(0)
  const list = useRef<HTMLUListElement>(null)
  const navigate = useNavigate()
  const apps = useApps()
  const deployments = useDeployments()
  const redeploy = useAction<{ deploymentId: string }>('/api/apps/redeploy')
  const entries = useMemo<Entry[]>(() => {
    const found: Entry[] = []
    for (const app of apps.data ?? []) {
      const to = (tab: (typeof TABS)[number] | 'overview') =>
        void navigate({ to: '/apps/$appId', params: { appId: app.id }, search: { tab } })
      found.push({
        key: app.id,
        label: app.name,
        detail: app.url.replace(/^https?:\/\//, ''),
        status: app.status,
        run: () => to('overview'),
      })
      found.push({
        key: `${app.id}!`,
        label: `Deploy ${app.name}`,
        detail: 'the newest commit',
        run: () =>
          redeploy.mutate(
            { id: app.id },
            {
              onSuccess: answer =>
                void navigate({ to: '/deployments/$deploymentId', params: { deploymentId: answer.deploymentId } }),
            },
          ),
      })
      if (app.activeDeployId)
        found.push({
          key: `${app.id}<`,
          label: `Roll back ${app.name}`,
          detail: 'choose an earlier version',
          run: () => to('deployments'),
        })
      for (const tab of TABS) found.push({ key: `${app.id}/${tab}`, label: `${app.name} ${tab}`, run: () => to(tab) })
    }
    for (const [to, label] of PAGES) found.push({ key: to, label, detail: 'page', run: () => void navigate({ to }) })
    for (const entry of deployments.data ?? [])
      found.push({
        key: entry.id,
        label: `${entry.appName} ${shortCommit(entry.commit) || entry.id}`,
        detail: `${entry.commitMsg || entry.trigger}, ${ago(entry.createdAt)}`,
        status: settling(entry) ? undefined : entry.status,
        run: () => void navigate({ to: '/deployments/$deploymentId', params: { deploymentId: entry.id } }),
      })
    return found
  }, [apps.data, deployments.data, navigate, redeploy.mutate])
  const shown = useMemo(() => ranked(entries, search).slice(0, MOST), [entries, search])
  // biome-ignore lint/correctness/useExhaustiveDependencies: another search begins at its first find
  useEffect(() => setCurrent(0), [search])
  useEffect(() => list.current?.children[current]?.scrollIntoView({ block: 'nearest' }), [current])
  const go = (entry: Entry | undefined) => {
    if (!entry) return
    onClose()
    entry.run()
  }
  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      padding={0}
      size="lg"
      yOffset="12vh"
      attributes={{ content: { 'aria-label': 'Find apps, pages and actions' } }}
    >
      <TextInput
        variant="unstyled"
        size="md"
        px="md"
        aria-label="Find apps, pages and actions"
        placeholder="Find an app, a page or an action"
        leftSection={<IconSearch size={16} />}
        value={search}
        data-autofocus
        autoComplete="off"
        role="combobox"
        aria-expanded
        aria-controls="palette"
        aria-activedescendant={shown[current] ? `palette-${current}` : undefined}
        onChange={event => setSearch(event.currentTarget.value)}
        onKeyDown={event => {
          if (event.key === 'ArrowDown') setCurrent(at => Math.min(at + 1, shown.length - 1))
          else if (event.key === 'ArrowUp') setCurrent(at => Math.max(at - 1, 0))
          else if (event.key === 'Enter') go(shown[current])
          else return
          event.preventDefault()
        }}
      />
      <ul className="palette" id="palette" role="listbox" aria-label="Found" ref={list}>
        {shown.map((entry, index) => (
          <li
            key={entry.key}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === current}
            onPointerMove={() => setCurrent(index)}
            onClick={() => go(entry)}
          >
            <span className="cut">
              {entry.label} {entry.detail && <bdi className="dim">{entry.detail}</bdi>}
            </span>
            {entry.status && <Status status={entry.status} />}
          </li>
        ))}
        {!shown.length && (
          <li role="option" aria-selected={false} aria-disabled className="dim">
            Nothing is called that.
          </li>
        )}
      </ul>
    </Modal>
  )
}

/** What begins with the words first, then what has them, then what has the letters in order. */
function ranked(entries: Entry[], search: string): Entry[] {
  const wanted = search.trim().toLowerCase()
  if (!wanted) return entries
  const score = (entry: Entry) => {
    const label = entry.label.toLowerCase()
    if (label.startsWith(wanted)) return 0
    if (label.includes(wanted)) return 1
    if (wanted.split(/\s+/).every(word => `${label} ${entry.detail ?? ''}`.toLowerCase().includes(word))) return 2
    let [at, first, last] = [0, 0, 0]
    for (let index = 0; index < label.length && at < wanted.length; index++)
      if (label[index] === wanted[at]) {
        if (!at) first = index
        last = index
        at++
      }
    // The closer together its letters, the more likely it is meant.
    return at === wanted.length ? 3 + (last - first) / 1000 : 9
  }
  return entries
    .map(entry => [score(entry), entry] as const)
    .filter(([rank]) => rank < 9)
    .sort(([one], [other]) => one - other)
    .map(([, entry]) => entry)
}
