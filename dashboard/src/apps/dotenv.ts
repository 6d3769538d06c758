// Reads and writes `.env` files. docs/guides/variables.md has the rules, tests/dotenv.json the cases.
// The CLI reads and writes them too (src/better_paas/cli/dotenv.py): the same cases and rules are true of both.

/** What was wrong with a text, and in which line, counted from 1. */
export interface Fault {
  error: string
  line: number
}

const ASSIGNMENT = 'this is no NAME=value'
const OPEN = 'the quote that begins here is not closed'
const BEHIND = 'text behind a closing quote; quote the whole value, or begin a comment with a blank and #'

// Blanks are spaces and tabs alone: whatever else looks like one, or like a line's end, belongs to the value.
const BETWEEN = /(?:[ \t\n]|#[^\n]*)*/y
const NAME = /(?:export[ \t]+(?=[A-Za-z_]))?([A-Za-z_][A-Za-z0-9_]{0,127})[ \t]*=/y
const BLANKS = /[ \t]*/y
const PART = /'([^']*)'|"([^"\\]*(?:\\[\s\S][^"\\]*)*)"|\\(['"])/y
const END = /[ \t]*(?:\n|(?<=[ \t])#)/y
const ESCAPED: Record<string, string> = { n: '\n', r: '\r', t: '\t' }

const matched = (expression: RegExp, text: string, at: number) => {
  expression.lastIndex = at
  return expression.exec(text)
}
const past = (expression: RegExp, text: string, at: number) => at + (matched(expression, text, at)?.[0].length ?? 0)
const fault = (error: string, text: string, at: number): Fault => ({
  error,
  line: text.slice(0, at).split('\n').length,
})

/** The variables of a `.env`, the last value of each; or what is wrong with it. */
export function parse(text: string): Map<string, string> | Fault {
  text = `${text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n')}\n`
  const found = new Map<string, string>()
  for (let at = past(BETWEEN, text, 0); at < text.length; ) {
    const name = matched(NAME, text, at)
    if (!name) return fault(ASSIGNMENT, text, at)
    const behind = at + name[0].length
    let begin = past(BLANKS, text, behind)
    if (text[begin] === "'" || text[begin] === '"') {
      const parts: string[] = []
      for (let part = matched(PART, text, begin); part; part = matched(PART, text, begin)) {
        begin += part[0].length
        parts.push(
          part[2]?.replace(/\\([nrt\\"$])/g, (_, escaped: string) => ESCAPED[escaped] ?? escaped) ??
            part[1] ??
            part[3] ??
            '',
        )
      }
      if (text[begin] === "'" || text[begin] === '"') return fault(OPEN, text, begin)
      if (!matched(END, text, begin)) return fault(BEHIND, text, begin)
      found.set(name[1]!, parts.join(''))
    } else {
      const [value] = text.slice(behind, text.indexOf('\n', begin)).split(/[ \t]#/, 1)
      found.set(name[1]!, value!.replace(/^[ \t]+/, '').replace(/(?<![ \t])[ \t]+$/, ''))
    }
    at = past(BETWEEN, text, text.indexOf('\n', begin))
  }
  return found
}

const written = (value: string) => {
  if (/^[A-Za-z0-9_./:@%+=,-]*$/.test(value)) return value
  if (!/['\r]/.test(value)) return `'${value}'`
  // A bare carriage return would be read as a line's end.
  return `"${value.replace(/[\\"$]/g, '\\$&').replace(/\r/g, '\\r')}"`
}

/** Variables as a `.env`: `parse` finds the same values in it. */
export const format = (variables: Iterable<readonly [string, string]>) =>
  [...variables].map(([name, value]) => `${name}=${written(value)}\n`).join('')
