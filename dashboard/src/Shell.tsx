import { ActionIcon, Menu, Tooltip, useMantineColorScheme } from '@mantine/core'
import {
  IconApps,
  IconDatabase,
  IconDots,
  IconFolders,
  IconHandStop,
  IconListCheck,
  IconLogout,
  IconMoon,
  IconRobot,
  IconRocket,
  IconSearch,
  IconServer2,
  IconSun,
  IconTrash,
} from '@tabler/icons-react'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { session } from './api/client'
import { followEvents, useApprovals, useHealth } from './api/queries'

const PLACES = [
  { to: '/', label: 'Apps', icon: IconApps },
  { to: '/projects', label: 'Projects', icon: IconFolders },
  { to: '/deployments', label: 'Deployments', icon: IconRocket },
  { to: '/volumes', label: 'Volumes', icon: IconDatabase },
  { to: '/agents', label: 'Agents', icon: IconRobot },
  { to: '/approvals', label: 'Approvals', icon: IconHandStop },
  { to: '/audit', label: 'Audit', icon: IconListCheck },
  { to: '/trash', label: 'Trash', icon: IconTrash },
  { to: '/system', label: 'System', icon: IconServer2 },
] as const

// What a phone has room for; the rest is behind More.
const FIRST: string[] = ['/', '/deployments', '/agents', '/approvals']

const KEYS = /Mac|iPhone|iPad/.test(navigator.userAgent) ? '⌘K' : 'Ctrl K'
const Palette = lazy(() => import('./palette/Palette').then(module => ({ default: module.Palette })))

/** ⌘K opens the palette. `g a`, `g d`, `g t` (tokens), `g p` (approvals), `g l` (audit log), `g s` go to a place; `/` goes
 *  to the page's search; `n` begins a new app. */
function useKeys(find: () => void) {
  const navigate = useNavigate()
  const waiting = useRef(0)
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement
      if ((event.metaKey || event.ctrlKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        return find()
      }
      if (
        event.metaKey ||
        event.ctrlKey ||
        event.altKey ||
        /INPUT|TEXTAREA|SELECT/.test(target.tagName) ||
        target.isContentEditable
      )
        return
      if (Date.now() - waiting.current < 1000) {
        const to = {
          a: '/',
          d: '/deployments',
          t: '/agents',
          p: '/approvals',
          l: '/audit',
          s: '/system',
          v: '/volumes',
          r: '/trash',
          j: '/projects',
        }[event.key] as '/' | undefined
        waiting.current = 0
        if (to) return void navigate({ to })
      }
      if (event.key === 'g') waiting.current = Date.now()
      if (event.key === 'n') void navigate({ to: '/new' })
      if (event.key === '/') {
        event.preventDefault()
        document.querySelector<HTMLInputElement>('[data-page-search]')?.focus()
      }
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [navigate, find])
}

export function Shell() {
  const { colorScheme, toggleColorScheme } = useMantineColorScheme()
  const path = useRouterState({ select: state => state.location.pathname })
  const health = useHealth()
  const waiting = useApprovals('pending').data?.length ?? 0
  const navigate = useNavigate()
  const [finding, setFinding] = useState(false)
  const find = useRef(() => setFinding(true)).current
  useKeys(find)
  useEffect(() => {
    const abort = new AbortController()
    void followEvents(abort.signal)
    return () => abort.abort()
  }, [])
  const active = (to: string) =>
    to === '/' ? path === '/' || path.startsWith('/apps') || path === '/new' : path.startsWith(to)
  const problem =
    health.data &&
    (health.data.engine === null && health.data.runtime === 'docker'
      ? 'The Docker engine does not answer.'
      : health.data.ingress !== 'ok'
        ? `The ingress does not serve: ${health.data.ingress}`
        : '')
  return (
    <div className="shell">
      <a className="skip" href="#content">
        Skip to content
      </a>
      <header className="bar">
        <Link to="/" className="brand" aria-label="Better-PaaS, apps">
          <img src="/icon.svg" width={24} height={24} alt="" />
          <span>Better-PaaS</span>
        </Link>
        <button
          type="button"
          className="find"
          onClick={find}
          title={`Find (${KEYS})`}
          aria-keyshortcuts="Meta+K Control+K"
        >
          <IconSearch size={16} aria-hidden />
          <span>Find</span>
          <kbd>{KEYS}</kbd>
        </button>
        <nav aria-label="Main">
          {PLACES.map(({ to, label, icon: Icon }) => (
            <Link
              key={to}
              to={to}
              className={`${active(to) ? 'active' : ''} ${FIRST.includes(to) ? '' : 'wide'}`}
              aria-current={active(to) ? 'page' : undefined}
              aria-label={to === '/approvals' && waiting ? `${label} ${waiting} waiting` : label}
            >
              <Icon size={18} aria-hidden />
              <span>{label}</span>
              {to === '/approvals' && waiting > 0 && <b className="badge" aria-hidden data-count={waiting} />}
            </Link>
          ))}
        </nav>
        <Menu position="top-end" withinPortal={false}>
          <Menu.Target>
            <button type="button" className={`more-places ${FIRST.some(active) ? '' : 'active'}`}>
              <IconDots size={18} aria-hidden />
              <span>More</span>
            </button>
          </Menu.Target>
          <Menu.Dropdown>
            {PLACES.filter(({ to }) => !FIRST.includes(to)).map(({ to, label, icon: Icon }) => (
              <Menu.Item key={to} leftSection={<Icon size={16} aria-hidden />} onClick={() => void navigate({ to })}>
                {label}
              </Menu.Item>
            ))}
            <Menu.Divider />
            <Menu.Item
              leftSection={
                colorScheme === 'dark' ? <IconSun size={16} aria-hidden /> : <IconMoon size={16} aria-hidden />
              }
              onClick={toggleColorScheme}
            >
              {colorScheme === 'dark' ? 'Light theme' : 'Dark theme'}
            </Menu.Item>
            <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => session.end()}>
              Sign out
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <div className="foot">
          <Tooltip label={colorScheme === 'dark' ? 'Light theme' : 'Dark theme'}>
            <ActionIcon variant="subtle" color="gray" onClick={toggleColorScheme} aria-label="Change the theme">
              {colorScheme === 'dark' ? <IconSun size={18} /> : <IconMoon size={18} />}
            </ActionIcon>
          </Tooltip>
          <Tooltip label="Sign out">
            <ActionIcon variant="subtle" color="gray" onClick={() => session.end()} aria-label="Sign out">
              <IconLogout size={18} />
            </ActionIcon>
          </Tooltip>
        </div>
      </header>
      <main id="content">
        {problem && (
          <div className="notice attention" role="alert" style={{ marginBottom: 16 }}>
            <strong>{problem}</strong> <Link to="/system">See System</Link>
          </div>
        )}
        {health.data?.runtime === 'process' && path === '/' && (
          <div className="notice attention" style={{ marginBottom: 16 }}>
            Apps run as processes of this machine, not in containers: good for a first look, and not to keep strangers’
            code apart. <Link to="/system">See System</Link>
          </div>
        )}
        <Outlet />
      </main>
      {finding && (
        <Suspense>
          <Palette onClose={() => setFinding(false)} />
        </Suspense>
      )}
    </div>
  )
}
