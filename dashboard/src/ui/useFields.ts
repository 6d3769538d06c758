import { useEffect, useState } from 'react'

/** Whether two values are the same; they may be lists and objects of JSON. */
export const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)

interface State<Fields> {
  fields: Fields
  before: Fields
  version: string
  refused: boolean
}

/** The fields of a form on settings that others may change while it is open.
 *
 *  What was typed stays, and fields that were not touched follow what is stored. `version` is that of what the form was
 *  loaded with, for the server to refuse a save over what somebody else has made of the same fields.
 *  follow: false while a save is on its way. */
export function useFields<Fields extends object>(stored: Fields, storedVersion: string, follow: boolean) {
  const [state, setState] = useState<State<Fields>>({
    fields: stored,
    before: stored,
    version: storedVersion,
    refused: false,
  })
  const now = JSON.stringify(stored)
  // biome-ignore lint/correctness/useExhaustiveDependencies: now stands for what stored says
  useEffect(() => {
    if (follow) setState(old => followed(old, stored, storedVersion))
  }, [now, storedVersion, follow])
  const changed = touched(state)
  const both = disputes(state, stored)
  return {
    ...state,
    changed,
    /** Fields that somebody else has changed too, or all that were touched once a save was refused; null for none. */
    disputed: state.refused ? changed.filter(key => !same(stored[key], state.fields[key])) : both.length ? both : null,
    set: (change: Partial<Fields>) => setState(old => ({ ...old, fields: { ...old.fields, ...change } })),
    load: () => setState({ fields: stored, before: stored, version: storedVersion, refused: false }),
    refuse: () => setState(old => ({ ...old, refused: true })),
    /** `sent` was stored, as `found`: what was typed since then stays. */
    saved: (sent: Fields, found: Fields, version: string) =>
      setState(old => followed({ ...old, before: sent, refused: false }, found, version)),
  }
}

const touched = <Fields extends object>({ fields, before }: State<Fields>) =>
  (Object.keys(fields) as (keyof Fields & string)[]).filter(key => !same(fields[key], before[key]))

const disputes = <Fields extends object>(state: State<Fields>, stored: Fields) =>
  touched(state).filter(key => !same(stored[key], state.before[key]) && !same(stored[key], state.fields[key]))

function followed<Fields extends object>(old: State<Fields>, stored: Fields, version: string): State<Fields> {
  if (disputes(old, stored).length) return old
  const fields = { ...stored, ...Object.fromEntries(touched(old).map(key => [key, old.fields[key]])) }
  return { fields, before: stored, version, refused: old.refused && !same(fields, stored) }
}
