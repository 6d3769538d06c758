// Settings of an app as a form holds them: for a new app, and for one that is there.
import type { App } from '../api/client'
import { same } from '../ui/useFields'
import { format, parse } from './dotenv'

const TEXTS = {
  gitRepo: 'Repository',
  branch: 'Branch, tag or commit',
  rootDir: 'Root directory',
  installCommand: 'Install command',
  buildCommand: 'Build command',
  startCommand: 'Start command',
  healthPath: 'Health path',
  memory: 'Memory',
  cpus: 'CPUs',
  buildMethod: 'How to build',
  dockerfilePath: 'Dockerfile',
  runtimeVersion: 'Version',
  outputDir: 'Output folder',
  kind: 'Serves',
  releaseCommand: 'Release command',
  healthStatus: 'Good statuses',
} as const

/** What each field is called. */
export const LABELS = {
  ...TEXTS,
  gitToken: 'Deploy token',
  portOverride: 'Port',
  buildArgs: 'Build arguments',
  aptPackages: 'Packages for building',
  runAptPackages: 'Packages for running',
  buildSecrets: 'Secrets for building',
  submodules: 'Submodules',
  staticSite: 'Serve the output as files',
  singlePage: 'Single-page app',
  processes: 'Processes beside it',
  watchMinutes: 'Watch new versions (minutes)',
  volumes: 'Volumes',
}

type Key = keyof typeof LABELS
/** Lists are kept as they were typed. gitToken: a new one; what is stored is never here. */
export type Fields = Record<
  Exclude<Key, 'portOverride' | 'watchMinutes' | 'buildSecrets' | 'submodules' | 'staticSite' | 'singlePage'>,
  string
> &
  Record<'portOverride' | 'watchMinutes', string | number> &
  Record<'staticSite' | 'singlePage', boolean | null> & { buildSecrets: string[]; submodules: boolean }

const KEYS = Object.keys(LABELS) as Key[]
const TEXT_KEYS = Object.keys(TEXTS) as (keyof typeof TEXTS)[]

/** A new app's: everything as it is found out. */
export const EMPTY: Fields = {
  ...(Object.fromEntries(TEXT_KEYS.map(key => [key, ''])) as Record<keyof typeof TEXTS, string>),
  buildMethod: 'auto',
  gitToken: '',
  portOverride: '',
  buildArgs: '',
  aptPackages: '',
  runAptPackages: '',
  buildSecrets: [],
  submodules: false,
  staticSite: null,
  singlePage: null,
  processes: '',
  watchMinutes: '',
  volumes: '',
}

/** Those that say something. */
export const filled = (fields: Fields, of = KEYS) => of.filter(key => !same(fields[key], EMPTY[key]))

/** What decides on a plan. */
export const PLANNED = [
  'gitRepo',
  'branch',
  'gitToken',
  'rootDir',
  'installCommand',
  'buildCommand',
  'startCommand',
  'buildMethod',
  'dockerfilePath',
  'portOverride',
  'kind',
  'processes',
  'releaseCommand',
  'aptPackages',
  'runAptPackages',
  'outputDir',
  'staticSite',
  'singlePage',
  'runtimeVersion',
  'submodules',
] as const satisfies Key[]

export const fromApp = (app: App): Fields => ({
  ...(Object.fromEntries(TEXT_KEYS.map(key => [key, app[key]])) as Record<keyof typeof TEXTS, string>),
  gitToken: '',
  portOverride: app.portOverride ?? '',
  buildArgs: format(Object.entries(app.buildArgs)),
  aptPackages: app.aptPackages.join(' '),
  runAptPackages: app.runAptPackages.join(' '),
  buildSecrets: app.buildSecrets,
  submodules: app.submodules,
  staticSite: app.staticSite,
  singlePage: app.singlePage,
  processes: Object.entries(app.processes)
    .map(([name, command]) => `${name}: ${command}`)
    .join('\n'),
  watchMinutes: app.watchMinutes ?? '',
  volumes: app.volumes.join(', '),
})

/** What can't be sent as it was typed, by field and in words. */
export function faults(fields: Fields): Partial<Record<Key, string>> {
  const found: Partial<Record<Key, string>> = {}
  const buildArgs = parse(fields.buildArgs)
  if (!(buildArgs instanceof Map)) found.buildArgs = `Line ${buildArgs.line}: ${buildArgs.error}`
  const seen = new Set<string>()
  for (const [number, line] of fields.processes.split('\n').entries()) {
    const name = line.slice(0, Math.max(0, line.indexOf(':'))).trim()
    if (line.trim() && (!name || seen.has(name)))
      found.processes ??= `Line ${number + 1}: ${name ? `${name} is there twice` : 'a name, a colon and its command'}`
    seen.add(name)
  }
  return found
}

const names = (text: string) => text.split(/[\s,]+/).filter(Boolean)

/** What is sent of these fields. Their build arguments have to be readable. */
export const bodyOf = (fields: Fields, keys: readonly Key[]): Record<string, unknown> =>
  Object.fromEntries(keys.map(key => [key, sent(fields, key)]))

function sent(fields: Fields, key: Key): unknown {
  switch (key) {
    case 'portOverride':
      return fields.portOverride || null
    case 'watchMinutes':
      return fields.watchMinutes === '' ? null : fields.watchMinutes
    case 'buildArgs':
      return Object.fromEntries(parse(fields.buildArgs) as Map<string, string>)
    case 'aptPackages':
    case 'runAptPackages':
      return names(fields[key])
    case 'processes':
      return Object.fromEntries(
        fields.processes
          .split('\n')
          .filter(line => line.includes(':'))
          .map(line => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1).trim()]),
      )
    case 'volumes':
      return fields.volumes
        .split(',')
        .map(text => text.trim())
        .filter(Boolean)
    default:
      return fields[key]
  }
}

/** A field in words. */
export function worded(fields: Fields, key: Key) {
  const value = fields[key]
  if (Array.isArray(value)) return value.join(', ')
  if (value === null) return 'as found out'
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)
}
