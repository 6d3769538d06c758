import { Checkbox, Group, NumberInput, Select, Stack, Switch, Text, Textarea, TextInput } from '@mantine/core'
import { IconChevronDown, IconChevronRight } from '@tabler/icons-react'
import { type ReactNode, useState } from 'react'
import type { Plan } from '../api/client'
import { isUpload } from '../ui/words'
import { BuildArguments } from './BuildArguments'
import { type Fields, faults, filled, LABELS } from './settings'

/** What a plan found out, of an app that is there or of one to come. */
export type Found = Partial<
  Pick<
    Plan,
    | 'runtime'
    | 'version'
    | 'install'
    | 'build'
    | 'start'
    | 'output'
    | 'port'
    | 'release'
    | 'buildPackages'
    | 'runPackages'
    | 'singlePage'
  >
>

const FOUND = 'as found out'
const KINDS = [
  { value: '', label: 'as its Procfile says, else web requests' },
  { value: 'web', label: 'web requests' },
  { value: 'worker', label: 'nothing: it is a worker' },
]
const METHODS = [
  { value: 'auto', label: 'By its Dockerfile, if it has one' },
  { value: 'dockerfile', label: 'By its Dockerfile only' },
  { value: 'plan', label: 'Ignore the Dockerfile' },
]

/** How an app is built and run: what most people need, and the rest folded.
 *  found: shown where nothing is set. secrets: names. */
export function SettingFields({
  fields,
  set,
  found,
  secrets,
}: {
  fields: Fields
  set: (change: Partial<Fields>) => void
  found: Found
  secrets: string[]
}) {
  const typed = (key: keyof Fields) => (event: { currentTarget: { value: string } }) =>
    set({ [key]: event.currentTarget.value })
  const text = (key: keyof Fields, placeholder?: string, description?: string) => (
    <TextInput
      label={LABELS[key]}
      placeholder={placeholder}
      description={description}
      value={String(fields[key])}
      onChange={typed(key)}
    />
  )
  const wrong = faults(fields)
  const ownDockerfile =
    fields.buildMethod === 'dockerfile' || (found.runtime === 'dockerfile' && fields.buildMethod !== 'plan')
  const eligible = [...new Set([...secrets, ...fields.buildSecrets])]
  return (
    <Stack gap="sm">
      {text('rootDir', 'the whole repository')}
      {text('installCommand', found.install || FOUND)}
      {text('buildCommand', found.build || FOUND)}
      {text('startCommand', found.start || FOUND)}
      <Group grow align="start">
        <NumberInput
          label={LABELS.portOverride}
          placeholder={found.port ? String(found.port) : FOUND}
          value={fields.portOverride}
          onChange={portOverride => set({ portOverride })}
          min={1}
          max={65535}
          hideControls
        />
        {text('healthPath', 'none: it has to answer')}
      </Group>
      <Group grow align="start">
        {text('memory', 'as all apps; or such as 512m')}
        {text('cpus', 'as all apps; or such as 0.5')}
      </Group>
      <Fold
        title="More about building"
        fields={fields}
        of={[
          'buildMethod',
          'dockerfilePath',
          'buildArgs',
          'runtimeVersion',
          'aptPackages',
          'runAptPackages',
          'buildSecrets',
          'submodules',
        ]}
      >
        <Select
          label={LABELS.buildMethod}
          data={METHODS}
          value={fields.buildMethod}
          onChange={buildMethod => set({ buildMethod: buildMethod ?? 'auto' })}
          allowDeselect={false}
        />
        {text('dockerfilePath', 'Dockerfile, if there is one')}
        {(ownDockerfile || fields.dockerfilePath || fields.buildArgs) && (
          <BuildArguments value={fields.buildArgs} error={wrong.buildArgs} onChange={typed('buildArgs')} />
        )}
        {text('runtimeVersion', found.version || FOUND, 'Of the language, such as 22 or 3.12')}
        {text(
          'aptPackages',
          found.buildPackages?.join(' ') || FOUND,
          'Debian packages with blanks between, such as libpq-dev, beside those that are found out',
        )}
        {text(
          'runAptPackages',
          found.runPackages?.join(' ') || FOUND,
          'What the app needs while it runs, such as ffmpeg',
        )}
        <Checkbox.Group
          label={LABELS.buildSecrets}
          description="Secret variables that installing and building may read, such as a private registry's token. No image keeps them"
          value={fields.buildSecrets}
          onChange={buildSecrets => set({ buildSecrets })}
        >
          {eligible.length ? (
            <Stack gap={6} mt={6}>
              {eligible.map(name => (
                <Checkbox key={name} value={name} label={<code>{name}</code>} />
              ))}
            </Stack>
          ) : (
            <Text size="sm" c="dimmed" mt={6}>
              This app has no secret variables yet.
            </Text>
          )}
        </Checkbox.Group>
        {!isUpload(fields.gitRepo) && (
          <Switch
            label="Fetch submodules too"
            description="From the repository's own host"
            checked={fields.submodules}
            onChange={event => set({ submodules: event.currentTarget.checked })}
          />
        )}
      </Fold>
      <Fold title="A site of files" fields={fields} of={['outputDir', 'staticSite', 'singlePage']}>
        {text('outputDir', found.output || FOUND, 'The folder that the build makes, or that is served as it is')}
        <ThreeWays
          label={LABELS.staticSite}
          description="Instead of starting a program"
          found={found.runtime === undefined ? undefined : found.runtime === 'static'}
          value={fields.staticSite}
          onChange={staticSite => set({ staticSite })}
        />
        <ThreeWays
          label={LABELS.singlePage}
          description="Paths that it does not have are answered with its index.html"
          found={found.singlePage}
          value={fields.singlePage}
          onChange={singlePage => set({ singlePage })}
        />
      </Fold>
      <Fold
        title="More about running"
        fields={fields}
        of={['kind', 'processes', 'releaseCommand', 'healthStatus', 'watchMinutes', 'volumes']}
      >
        <Select
          label={LABELS.kind}
          data={KINDS}
          value={fields.kind}
          onChange={kind => set({ kind: kind ?? '' })}
          allowDeselect={false}
        />
        <Textarea
          label={LABELS.processes}
          description="One a line, such as worker: python worker.py; they win over the Procfile"
          placeholder="as its Procfile says"
          autosize
          minRows={1}
          value={fields.processes}
          error={wrong.processes}
          onChange={typed('processes')}
        />
        {text('releaseCommand', found.release || FOUND, 'Run once before each version, such as a migration')}
        {text('healthStatus', '200-399', 'What the health path may answer with, such as 200-299,401')}
        <NumberInput
          label={LABELS.watchMinutes}
          description="One that fails meanwhile is taken back; 0 for not at all"
          placeholder="the server's setting"
          value={fields.watchMinutes}
          onChange={watchMinutes => set({ watchMinutes })}
          min={0}
          max={1440}
          hideControls
        />
        {text(
          'volumes',
          undefined,
          'Such as data:/app/data, with commas between; :shared behind it lets two versions write at once',
        )}
      </Fold>
    </Stack>
  )
}

/** Fields that few people need. Closed, it says which of them are set. */
function Fold({
  title,
  fields,
  of,
  children,
}: {
  title: string
  fields: Fields
  of: (keyof Fields)[]
  children: ReactNode
}) {
  const [open, setOpen] = useState(false)
  const set = filled(fields, of).map(key => LABELS[key])
  return (
    <div className="fold">
      <button type="button" onClick={() => setOpen(!open)} aria-expanded={open}>
        {open ? <IconChevronDown size={16} aria-hidden /> : <IconChevronRight size={16} aria-hidden />}
        <span>{title}</span>
        {!open && set.length > 0 && <span className="dim">{set.join(', ')}</span>}
      </button>
      {open && (
        <Stack gap="sm" pt="xs" pb="sm">
          {children}
        </Stack>
      )}
    </div>
  )
}

const WAYS: Record<string, boolean | null> = { '': null, yes: true, no: false }

/** Yes, no, or as the plan finds out. found: what that is. */
function ThreeWays({
  label,
  description,
  found,
  value,
  onChange,
}: {
  label: string
  description: string
  found?: boolean
  value: boolean | null
  onChange: (value: boolean | null) => void
}) {
  const data = [{ value: '', label: found === undefined ? FOUND : `${FOUND}: ${found ? 'yes' : 'no'}` }, 'yes', 'no']
  return (
    <Select
      label={label}
      description={description}
      data={data}
      value={value === null ? '' : value ? 'yes' : 'no'}
      onChange={way => onChange(WAYS[way ?? ''] ?? null)}
      allowDeselect={false}
    />
  )
}
