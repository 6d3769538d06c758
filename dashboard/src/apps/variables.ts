// Environment variables as rows of a form: what a text says of them, what a save sends, what others changed meanwhile.
import type { App } from '../api/client'
import { format } from './dotenv'
import { looksSecret } from './secretForms'

/** value: null for a stored secret, which nobody can read. row: tells rows apart whatever their names are. */
export interface Variable {
  row: number
  key: string
  value: string | null
  secret: boolean
}

/** How the API and texts write a stored secret. */
const KEPT = '***'
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
let made = 0

export const variable = (key = '', value: string | null = '', secret = false): Variable => ({
  row: ++made,
  key,
  value,
  secret,
})

export const fromApp = (app: Pick<App, 'envVars' | 'secretKeys'>) =>
  Object.entries(app.envVars).map(([key, value]) => {
    const secret = app.secretKeys.includes(key)
    return variable(key, secret && value === KEPT ? null : value, secret)
  })

const byName = (variables: Variable[]) => new Map(variables.filter(entry => entry.key).map(entry => [entry.key, entry]))
const same = (one: Variable | undefined, other: Variable | undefined) =>
  one?.value === other?.value && one?.secret === other?.secret

/** What is wrong with a row's name, if anything is. */
export function problem(entry: Variable, all: Variable[]) {
  if (!entry.key) return entry.value ? 'Its name is missing' : ''
  if (!NAME.test(entry.key)) return 'Letters, digits and _, at most 128'
  return all.some(other => other.key === entry.key && other.row !== entry.row) ? 'This name is there twice' : ''
}

/** The row under another name. Until it has a value, a mark that was guessed by the name is guessed anew. */
export function named(entry: Variable, key: string): Variable {
  const guessed = entry.value === '' && entry.secret === looksSecret(entry.key, '')
  return { ...entry, key, secret: looksSecret(key, entry.value ?? '') || (entry.secret && !guessed) }
}

/** All variables as a `.env`; a stored secret as what keeps it. */
export const asText = (variables: Variable[]) =>
  format([...byName(variables)].map(([key, entry]) => [key, entry.value ?? KEPT]))

/** The rows that such a text means. What is known stays secret or not; of new names it is guessed. */
export const fromText = (found: Map<string, string>, before: Variable[]) => rowsOf(found, before, false)

/** The rows with those of a pasted `.env` among them; what looks secret is marked. */
export function merged(found: Map<string, string>, before: Variable[]) {
  const pasted = byName(rowsOf(found, before, true))
  const kept = before.filter(entry => entry.key || entry.value).map(entry => pasted.get(entry.key) ?? entry)
  return [...kept, ...[...pasted.values()].filter(entry => !kept.includes(entry))]
}

function rowsOf(found: Map<string, string>, before: Variable[], marks: boolean) {
  const known = byName(before)
  return [...found].map(([key, value]) => {
    const old = known.get(key)
    if (!old) return variable(key, value, looksSecret(key, value))
    if (old.value === null && value === KEPT) return old
    return { ...old, value, secret: old.secret || (marks && looksSecret(key, value)) }
  })
}

/** What a new app begins with. */
export const asBody = (variables: Variable[]) => {
  const named = [...byName(variables).values()]
  return {
    envVars: Object.fromEntries(named.map(entry => [entry.key, entry.value])),
    secretKeys: named.filter(entry => entry.secret).map(entry => entry.key),
  }
}

/** What makes `after` of `before`, and nothing else: the body of `/api/apps/env`. */
export function difference(before: Variable[], after: Variable[]) {
  const old = byName(before),
    now = byName(after)
  const touched = [...now.values()].filter(entry => !same(old.get(entry.key), entry))
  return {
    set: Object.fromEntries(
      touched
        .filter(
          entry =>
            entry.value !== null &&
            (entry.value !== old.get(entry.key)?.value || (!entry.secret && old.get(entry.key)?.secret)),
        )
        .map(entry => [entry.key, entry.value]),
    ),
    unset: [...old.keys()].filter(key => !now.has(key)),
    secret: touched.filter(entry => entry.secret && !old.get(entry.key)?.secret).map(entry => entry.key),
    plain: touched.filter(entry => !entry.secret && old.get(entry.key)?.secret).map(entry => entry.key),
  }
}

/** What the form was loaded from, its rows, and the names that were changed both in it and, meanwhile, elsewhere. */
export interface Editing {
  before: Variable[]
  rows: Variable[]
  disputed: string[]
}

export const begun = (stored: Variable[]): Editing => ({ before: stored, rows: stored, disputed: [] })

/** The form when other variables are stored than it was loaded from: what was not changed in it follows. */
export function followed({ before, rows, disputed }: Editing, stored: Variable[]): Editing {
  const old = byName(before),
    own = byName(rows),
    now = byName(stored)
  const untouched = (key: string) => same(old.get(key), own.get(key))
  const kept = rows.flatMap(entry => {
    if (!entry.key || !untouched(entry.key)) return entry
    const there = now.get(entry.key)
    return there ? { ...there, row: entry.row } : []
  })
  const both = [...old.keys(), ...own.keys(), ...now.keys()].filter(
    key => !untouched(key) && !same(old.get(key), now.get(key)),
  )
  return {
    before: stored,
    rows: [...kept, ...stored.filter(entry => !own.has(entry.key) && untouched(entry.key))],
    disputed: [...new Set([...disputed, ...both])].filter(key => !same(own.get(key), now.get(key))),
  }
}

/** What a text makes of the rows that it was begun with, when they are others by now. */
export const edited = (found: Map<string, string>, begun: Variable[], now: Variable[]) =>
  followed({ before: begun, rows: fromText(found, begun), disputed: [] }, now)

/** The form when `sent` was stored: what was typed since then stays. */
export const saved = ({ rows }: Editing, sent: Variable[], stored: Variable[]): Editing => ({
  ...followed({ before: sent, rows, disputed: [] }, stored),
  disputed: [],
})

/** The form with what is stored in the place of what is disputed. */
export function conceded({ before, rows, disputed }: Editing): Editing {
  const stored = byName(before)
  const kept = rows.flatMap(entry => (disputed.includes(entry.key) ? (stored.get(entry.key) ?? []) : entry))
  return {
    before,
    rows: [...kept, ...before.filter(entry => disputed.includes(entry.key) && !kept.includes(entry))],
    disputed: [],
  }
}

/** A value as it may be shown beside another; null where there is none. */
export const shown = (variables: Variable[], key: string) => {
  const entry = byName(variables).get(key)
  return entry ? (entry.secret ? KEPT : entry.value) : null
}
