import { ActionIcon, PasswordInput, Textarea, TextInput } from '@mantine/core'
import { IconEye, IconEyeOff } from '@tabler/icons-react'
import { type ClipboardEvent, useEffect, useRef, useState } from 'react'
import type { Variable } from './variables'

/** What the eye doesn't see of a value. */
function remark(value: string) {
  if (value.includes('\r')) return 'It has carriage returns: “Edit as text” shows and keeps them'
  const begins = /^\s/.test(value) ? 'Begins with a blank' : ''
  const ends = value.endsWith('\n') ? 'Ends with a line break' : /\s$/.test(value) ? 'Ends with a blank' : ''
  return [begins, ends].filter(Boolean).join('. ') || undefined
}

/** A value: a line, or a text area once it has several, since a line would lose their ends. */
export function ValueInput({
  entry,
  name,
  onChange,
}: {
  entry: Variable
  name: string
  onChange: (value: string) => void
}) {
  const value = entry.value ?? ''
  const [long, setLong] = useState(false)
  const [shown, setShown] = useState(false)
  const area = useRef<HTMLTextAreaElement>(null)
  const caret = useRef<number | null>(null)
  const several = long || /[\r\n]/.test(value)
  useEffect(() => {
    if (!several) return
    setLong(true) // it stays one while it is edited
    if (caret.current === null) return
    area.current?.focus()
    area.current?.setSelectionRange(caret.current, caret.current)
    caret.current = null
  }, [several])
  const paste = (event: ClipboardEvent<HTMLInputElement>) => {
    const text = event.clipboardData.getData('text').replace(/\r\n?/g, '\n')
    if (!text.includes('\n')) return
    event.preventDefault()
    const { selectionStart, selectionEnd } = event.currentTarget
    const start = selectionStart ?? value.length
    caret.current = start + text.length
    onChange(value.slice(0, start) + text + value.slice(selectionEnd ?? start))
  }
  const common = {
    'aria-label': `Value of ${name}`,
    value,
    description: remark(value),
    inputWrapperOrder: ['input', 'description', 'error'] as ('input' | 'description' | 'error')[],
  }
  if (several)
    return (
      <Textarea
        {...common}
        ref={area}
        autosize
        minRows={2}
        maxRows={12}
        classNames={{ input: entry.secret && !shown ? 'mono masked' : 'mono' }}
        spellCheck={false}
        // A text area has no carriage returns: what was typed into it would lose them.
        readOnly={value.includes('\r')}
        onChange={event => onChange(event.currentTarget.value)}
        rightSection={
          entry.secret && (
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={`${shown ? 'Hide' : 'Show'} the value of ${name}`}
              aria-pressed={shown}
              onClick={() => setShown(!shown)}
            >
              {shown ? <IconEyeOff size={16} /> : <IconEye size={16} />}
            </ActionIcon>
          )
        }
      />
    )
  if (entry.secret)
    return (
      <PasswordInput
        {...common}
        placeholder={entry.value === null ? 'kept; type to replace' : 'value'}
        autoComplete="off"
        onPaste={paste}
        visibilityToggleButtonProps={{ 'aria-label': `Show the value of ${name}` }}
        onChange={event => onChange(event.currentTarget.value)}
      />
    )
  return (
    <TextInput
      {...common}
      placeholder="value"
      onPaste={paste}
      onChange={event => onChange(event.currentTarget.value)}
    />
  )
}
