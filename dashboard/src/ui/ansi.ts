// ANSI colours as spans. Everything else that a terminal would obey is dropped.
export interface Span {
  text: string
  className: string
}

const OTHER =
  /\x1b\[[0-9;?]*[A-LN-Za-ln-z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g
const COLOUR = /\x1b\[([0-9;]*)m/g

/** The line as a reader sees it, without colours: what a search looks in. */
export const plain = (line: string) => line.replace(OTHER, '').replace(COLOUR, '')

export function spans(line: string): Span[] {
  const text = line.replace(OTHER, '')
  if (!text.includes('\x1b')) return [{ text, className: '' }]
  const result: Span[] = []
  let colour = ''
  let bold = false
  let from = 0
  const push = (to: number) => {
    if (to > from) result.push({ text: text.slice(from, to), className: [colour, bold ? 'b' : ''].join(' ').trim() })
  }
  for (const match of text.matchAll(COLOUR)) {
    push(match.index)
    from = match.index + match[0].length
    for (const code of (match[1] || '0').split(';').map(Number)) {
      if (code === 0) [colour, bold] = ['', false]
      else if (code === 1) bold = true
      else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) colour = `c${code % 10}`
      else if (code === 39) colour = ''
    }
  }
  push(text.length)
  return result
}
