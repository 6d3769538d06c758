import { ActionIcon, Button, Group, PasswordInput, Switch, Textarea, TextInput, Tooltip } from '@mantine/core'
import { IconClipboardText, IconEdit, IconLock, IconPlus, IconTrash } from '@tabler/icons-react'
import { useState } from 'react'
import { asDotenv, fromText, isName, looksSecret, parseDotenv, type Variable } from './variables'

const KEPT = '***'

/** Rows of variables. A stored secret shows as kept: it can be replaced, never read. */
export function VariableEditor({ value, onChange }: { value: Variable[]; onChange: (value: Variable[]) => void }) {
  const [pasting, setPasting] = useState(false)
  const [whole, setWhole] = useState(false)
  const [text, setText] = useState('')
  const set = (index: number, change: Partial<Variable>) => onChange(value.map((entry, at) => (at === index ? { ...entry, ...change } : entry)))
  const merge = (found: Variable[]) => {
    const names = new Set(found.map(entry => entry.key))
    onChange([...value.filter(entry => entry.key && !names.has(entry.key)), ...found])
  }
  return (
    <>
      {!whole && value.length > 0 && (
        <div className="variables">
          {value.flatMap((entry, index) => {
            const kept = entry.secret && entry.value === KEPT
            const number = entry.key || `variable ${index + 1}`
            return [
              <TextInput key={`k${index}`} aria-label={`Name of ${number}`} placeholder="NAME" value={entry.key} className="mono"
                error={entry.key && !isName(entry.key) ? 'Letters, digits and _' : undefined}
                onChange={event => set(index, { key: event.currentTarget.value.trim(), secret: entry.secret || looksSecret(event.currentTarget.value, '') })}
                onPaste={event => {
                  const found = parseDotenv(event.clipboardData.getData('text'))
                  if (found.length) {
                    event.preventDefault()
                    merge(found)
                  }
                }}
              />,
              entry.secret ? (
                <PasswordInput key={`v${index}`} aria-label={`Value of ${number}`} value={kept ? '' : entry.value} placeholder={kept ? 'kept; type to replace' : 'value'} autoComplete="off"
                  visibilityToggleButtonProps={{ 'aria-label': `Show the value of ${number}` }}
                  onChange={event => set(index, { value: event.currentTarget.value })} />
              ) : (
                <TextInput key={`v${index}`} aria-label={`Value of ${number}`} value={entry.value} placeholder="value" onChange={event => set(index, { value: event.currentTarget.value })} />
              ),
              <Tooltip key={`s${index}`} label={kept ? 'A stored secret stays secret' : 'Secret: shown to nobody'}>
                <div>
                  <Switch label="Secret" aria-label={`${number} is secret`} checked={entry.secret} disabled={kept} onLabel={<IconLock size={12} />} onChange={event => set(index, { secret: event.currentTarget.checked })} />
                </div>
              </Tooltip>,
              <ActionIcon key={`d${index}`} variant="subtle" color="gray" aria-label={`Remove ${number}`} onClick={() => onChange(value.filter((_, at) => at !== index))}>
                <IconTrash size={16} />
              </ActionIcon>,
            ]
          })}
        </div>
      )}
      {pasting && (
        <Textarea mt="sm" label="Paste a .env file" placeholder={'DATABASE_URL=…\nDEBUG=false'} minRows={5} autosize className="mono" value={text} onChange={event => setText(event.currentTarget.value)} data-autofocus autoFocus />
      )}
      {whole && (
        <>
          <Textarea mt="sm" label="All variables as text" description="A line that goes takes its variable away; *** keeps a stored secret" autosize minRows={5} maxRows={24} className="mono" value={text} onChange={event => setText(event.currentTarget.value)} autoFocus />
          <Group mt="sm" gap="xs">
            <Button size="xs" onClick={() => { onChange(fromText(text, value)); setText(''); setWhole(false) }}>Take it over</Button>
            <Button size="xs" variant="default" onClick={() => { setText(''); setWhole(false) }}>Close</Button>
          </Group>
        </>
      )}
      <Group mt="sm" gap="xs" display={whole ? 'none' : undefined}>
        {pasting ? (
          <>
            <Button size="xs" disabled={!parseDotenv(text).length} onClick={() => { merge(parseDotenv(text)); setText(''); setPasting(false) }}>
              Take over {parseDotenv(text).length} variables
            </Button>
            <Button size="xs" variant="default" onClick={() => setPasting(false)}>
              Close
            </Button>
          </>
        ) : (
          <>
            <Button size="xs" variant="default" leftSection={<IconPlus size={14} />} onClick={() => onChange([...value, { key: '', value: '', secret: false }])}>
              Add a variable
            </Button>
            <Button size="xs" variant="default" leftSection={<IconClipboardText size={14} />} onClick={() => setPasting(true)}>
              Paste a .env
            </Button>
            <Button size="xs" variant="default" leftSection={<IconEdit size={14} />} onClick={() => { setText(asDotenv(value)); setWhole(true) }}>
              Edit as text
            </Button>
          </>
        )}
      </Group>
    </>
  )
}
