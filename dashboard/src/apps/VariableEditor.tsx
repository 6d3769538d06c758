import { ActionIcon, Button, Group, Switch, Text, Textarea, TextInput, Tooltip } from '@mantine/core'
import { IconClipboardText, IconEdit, IconLock, IconPlus, IconTrash } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { parse } from './dotenv'
import { ValueInput } from './ValueInput'
import { asText, edited, merged, named, problem, type Variable, variable } from './variables'

const MONO = { input: 'mono' }

type Mode = 'rows' | 'paste' | 'text'

/** Rows of variables. A stored secret shows as kept: it can be replaced, never read.
 *  disputed: names that a text changes, and that were changed since it was begun.
 *  onPending: whether there is text that was not taken over yet, and would be lost by a save. */
export function VariableEditor({
  value,
  onChange,
  onPending,
}: {
  value: Variable[]
  onChange: (value: Variable[], disputed?: string[]) => void
  onPending: (pending: boolean) => void
}) {
  const [mode, setMode] = useState<Mode>('rows')
  const [text, setText] = useState('')
  const [begun, setBegun] = useState<Variable[]>([])
  const pending = mode === 'paste' ? text !== '' : mode === 'text' && text !== asText(begun)
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is told when this changes, not when the page is drawn
  useEffect(() => onPending(pending), [pending])
  const found = parse(text)
  const fault = found instanceof Map ? undefined : `Line ${found.line}: ${found.error}`
  const open = (wanted: Mode, text = '') => {
    setBegun(value)
    setText(text)
    setMode(wanted)
  }
  const take = () => {
    if (!(found instanceof Map)) return
    if (mode === 'paste') onChange(merged(found, value))
    else {
      // Others may have changed some meanwhile: what the text doesn't change stays as it is now.
      const { rows, disputed } = edited(found, begun, value)
      onChange(rows, disputed)
    }
    open('rows')
  }
  const box = {
    mt: 'sm',
    classNames: MONO,
    autosize: true,
    minRows: 5,
    maxRows: 24,
    spellCheck: false,
    value: text,
    error: fault,
    autoFocus: true,
    onChange: (event: { currentTarget: HTMLTextAreaElement }) => setText(event.currentTarget.value),
  }
  return (
    <>
      {mode !== 'text' && value.length > 0 && (
        <div className="variables">
          {value.map((entry, index) => (
            <Row
              key={entry.row}
              entry={entry}
              number={entry.key || `variable ${index + 1}`}
              problem={problem(entry, value)}
              set={change => onChange(value.map(other => (other.row === entry.row ? { ...other, ...change } : other)))}
              remove={() => onChange(value.filter(other => other.row !== entry.row))}
              take={pasted => {
                const all = parse(pasted)
                if (all instanceof Map && all.size) onChange(merged(all, value))
                else if (pasted.includes('\n')) open('paste', pasted)
                else return false
                return true
              }}
            />
          ))}
        </div>
      )}
      {mode === 'paste' && <Textarea label="Paste a .env file" placeholder={'DATABASE_URL=…\nDEBUG=false'} {...box} />}
      {mode === 'text' && (
        <Textarea
          label="All variables as text"
          description="A line that goes takes its variable away; *** keeps a stored secret"
          {...box}
        />
      )}
      <Group mt="sm" gap="xs">
        {mode === 'rows' ? (
          <>
            <Button
              size="xs"
              variant="default"
              leftSection={<IconPlus size={14} />}
              onClick={() => onChange([...value, variable()])}
            >
              Add a variable
            </Button>
            <Button
              size="xs"
              variant="default"
              leftSection={<IconClipboardText size={14} />}
              onClick={() => open('paste')}
            >
              Paste a .env
            </Button>
            <Button
              size="xs"
              variant="default"
              leftSection={<IconEdit size={14} />}
              disabled={value.some(entry => problem(entry, value))}
              onClick={() => open('text', asText(value))}
            >
              Edit as text
            </Button>
          </>
        ) : (
          <>
            <Button size="xs" disabled={!(found instanceof Map) || (mode === 'paste' && !found.size)} onClick={take}>
              {mode === 'text'
                ? 'Take it over'
                : `Take over ${found instanceof Map ? found.size : 0} ${found instanceof Map && found.size === 1 ? 'variable' : 'variables'}`}
            </Button>
            <Button size="xs" variant="default" onClick={() => open('rows')}>
              Close
            </Button>
            {pending && (
              <Text size="xs" c="dimmed">
                Not taken over yet
              </Text>
            )}
          </>
        )}
      </Group>
    </>
  )
}

function Row({
  entry,
  number,
  problem,
  set,
  remove,
  take,
}: {
  entry: Variable
  number: string
  problem: string
  set: (change: Partial<Variable>) => void
  remove: () => void
  take: (pasted: string) => boolean
}) {
  const kept = entry.value === null
  return (
    <div>
      <TextInput
        aria-label={`Name of ${number}`}
        placeholder="NAME"
        value={entry.key}
        classNames={MONO}
        error={problem || undefined}
        readOnly={kept}
        title={kept ? 'A stored secret can’t be renamed: its value is not known here' : undefined}
        spellCheck={false}
        onChange={event => set(named(entry, event.currentTarget.value.trim()))}
        onPaste={event => take(event.clipboardData.getData('text')) && event.preventDefault()}
      />
      <ValueInput entry={entry} name={number} onChange={value => set({ value })} />
      <Tooltip label={kept ? 'A stored secret stays secret' : 'Secret: shown to nobody'}>
        <div className="beside">
          <Switch
            label="Secret"
            aria-label={`${number} is secret`}
            checked={entry.secret}
            disabled={kept}
            onLabel={<IconLock size={12} />}
            onChange={event => set({ secret: event.currentTarget.checked })}
          />
        </div>
      </Tooltip>
      <ActionIcon className="beside" variant="subtle" color="gray" aria-label={`Remove ${number}`} onClick={remove}>
        <IconTrash size={16} />
      </ActionIcon>
    </div>
  )
}
