import { Button, Group } from '@mantine/core'

/** One field that was changed both here and elsewhere. null: there is none. */
export interface Disputed {
  name: string
  theirs: string | null
  mine: string | null
}

/** Says that something was changed while a form was open, shows both, and leaves the choice. */
export function Meanwhile({
  what,
  fields,
  onLoad,
  onKeep,
  keep,
  busy,
}: {
  what: string
  fields: Disputed[]
  onLoad: () => void
  onKeep: () => void
  keep: string
  busy?: boolean
}) {
  return (
    <div className="notice attention" role="alert">
      <strong>{what} changed meanwhile</strong>
      <p>What you typed is still here. Nothing is saved until you choose.</p>
      {fields.length > 0 && (
        <table className="both">
          <thead>
            <tr>
              <th scope="col">Field</th>
              <th scope="col">There now</th>
              <th scope="col">Yours</th>
            </tr>
          </thead>
          <tbody>
            {fields.map(({ name, theirs, mine }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>
                  <Value of={theirs} />
                </td>
                <td>
                  <Value of={mine} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Group gap="xs" mt="sm">
        <Button size="xs" variant="default" onClick={onLoad}>
          Load what is there now
        </Button>
        <Button size="xs" loading={busy} onClick={onKeep}>
          {keep}
        </Button>
      </Group>
    </div>
  )
}

const Value = ({ of }: { of: string | null }) =>
  of ? <code dir="auto">{of}</code> : <span className="dim">{of === null ? 'not there' : 'empty'}</span>
