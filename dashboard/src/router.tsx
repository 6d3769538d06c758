import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent } from '@tanstack/react-router'
import { AppsPage } from './apps/AppsPage'
import { Shell } from './Shell'
import { Fault, Head, Loading } from './ui/parts'

function NoPage() {
  return (
    <Head
      title="There is no such page"
      truth={
        <>
          The address may be old, or what it showed is gone. <Link to="/">See all apps</Link>
        </>
      }
    />
  )
}

const root = createRootRoute({ component: Shell, notFoundComponent: NoPage })
const apps = createRoute({ getParentRoute: () => root, path: '/', component: AppsPage })
const newApp = createRoute({
  getParentRoute: () => root,
  path: '/new',
  component: lazyRouteComponent(() => import('./apps/NewAppPage'), 'NewAppPage'),
})
export const appTabs = ['overview', 'deployments', 'logs', 'resources', 'variables', 'domains', 'settings'] as const
export type AppTab = (typeof appTabs)[number]
export const appRoute = createRoute({
  getParentRoute: () => root,
  path: '/apps/$appId',
  validateSearch: (search): { tab: AppTab } => ({ tab: appTabs.find(tab => tab === search.tab) ?? 'overview' }),
  component: lazyRouteComponent(() => import('./apps/AppPage'), 'AppPage'),
})
const deployments = createRoute({
  getParentRoute: () => root,
  path: '/deployments',
  component: lazyRouteComponent(() => import('./deployments/DeploymentsPage'), 'DeploymentsPage'),
})
export const deploymentRoute = createRoute({
  getParentRoute: () => root,
  path: '/deployments/$deploymentId',
  component: lazyRouteComponent(() => import('./deployments/DeploymentPage'), 'DeploymentPage'),
})
const projects = createRoute({
  getParentRoute: () => root,
  path: '/projects',
  component: lazyRouteComponent(() => import('./projects/ProjectsPage'), 'ProjectsPage'),
})
export const projectRoute = createRoute({
  getParentRoute: () => root,
  path: '/projects/$projectId',
  component: lazyRouteComponent(() => import('./projects/ProjectPage'), 'ProjectPage'),
})
const volumes = createRoute({
  getParentRoute: () => root,
  path: '/volumes',
  component: lazyRouteComponent(() => import('./storage/VolumesPage'), 'VolumesPage'),
})
const trash = createRoute({
  getParentRoute: () => root,
  path: '/trash',
  component: lazyRouteComponent(() => import('./storage/TrashPage'), 'TrashPage'),
})
const system = createRoute({
  getParentRoute: () => root,
  path: '/system',
  component: lazyRouteComponent(() => import('./system/SystemPage'), 'SystemPage'),
})
const connect = createRoute({
  getParentRoute: () => root,
  path: '/connect/agent',
  component: lazyRouteComponent(() => import('./connect/ConnectPage'), 'ConnectPage'),
})
const device = createRoute({
  getParentRoute: () => root,
  path: '/connect/device',
  component: lazyRouteComponent(() => import('./connect/DevicePage'), 'DevicePage'),
})
const agents = createRoute({
  getParentRoute: () => root,
  path: '/agents',
  component: lazyRouteComponent(() => import('./agents/AgentsPage'), 'AgentsPage'),
})
const approvals = createRoute({
  getParentRoute: () => root,
  path: '/approvals',
  component: lazyRouteComponent(() => import('./approvals/ApprovalsPage'), 'ApprovalsPage'),
})
export const auditRoute = createRoute({
  getParentRoute: () => root,
  path: '/audit',
  validateSearch: (search): { actor?: string } => (typeof search.actor === 'string' ? { actor: search.actor } : {}),
  component: lazyRouteComponent(() => import('./audit/AuditPage'), 'AuditPage'),
})

export const router = createRouter({
  routeTree: root.addChildren([
    apps,
    newApp,
    appRoute,
    deployments,
    deploymentRoute,
    projects,
    projectRoute,
    volumes,
    trash,
    agents,
    approvals,
    auditRoute,
    system,
    connect,
    device,
  ]),
  defaultPendingComponent: Loading,
  defaultErrorComponent: ({ error }) => <Fault page error={error} />,
  defaultPreload: 'intent',
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
