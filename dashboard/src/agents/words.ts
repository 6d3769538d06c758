import type { Agent } from '../api/client'

const WORDS: Record<string, string> = {
  'apps:write': 'change and deploy apps',
  'apps:delete': 'delete apps',
  'deploy:trigger': 'bring new apps live',
  'addons:manage': 'manage databases',
  'servers:manage': 'manage servers',
  'system:manage': 'look after the system',
  'cron:manage': 'manage scheduled jobs',
  'backups:manage': 'manage backups',
  'notifications:manage': 'manage notifications',
  'agent:admin': 'make tokens',
}

/** A token as one sentence: what it may do, where, and for how long. */
export function sentence(agent: Agent, names: string[]) {
  const acts = agent.scopes.filter(scope => scope in WORDS).map(scope => WORDS[scope])
  const reads = [
    agent.scopes.includes('apps:read') && 'apps',
    agent.scopes.includes('logs:read') && 'logs',
    agent.scopes.includes('metrics:read') && 'figures',
  ].filter(Boolean)
  if (reads.length) acts.unshift(`read ${reads.join(', ')}`)
  const where = agent.allResources
    ? 'in every project'
    : names.length
      ? `in ${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`
      : 'in nothing that still exists'
  const until = agent.expiresAt
    ? `until ${new Date(agent.expiresAt).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' })}`
    : 'for ever'
  const changes = agent.scopes.some(scope => scope in WORDS)
  const asked = changes
    ? ({ destructive: ', asking before it takes anything away', all: ', asking before every change' }[
        agent.requireApproval
      ] ?? '')
    : ''
  return `May ${acts.join(', ')} ${where} ${until}${asked}.`
}
