import {
  IconAlertTriangleFilled,
  IconCircleCheckFilled,
  IconCircleFilled,
  IconClock,
  IconSquareFilled,
  IconX,
} from '@tabler/icons-react'

const WORDS: Record<string, string> = {
  running: 'Running',
  building: 'Building',
  failed: 'Failed',
  stopped: 'Stopped',
  success: 'Successful',
  queued: 'Queued',
  cancelled: 'Cancelled',
  done: 'Done',
  denied: 'Refused',
  pending: 'Waiting',
  intent: 'Began',
  failure: 'Failed',
  approved: 'Approved',
  used: 'Approved and done',
  expired: 'Expired',
  attention: 'Attention',
}

export function StatusIcon({ status }: { status: string }) {
  if (status === 'building') return <span className="ring" aria-hidden />
  if (status === 'running') return <IconCircleFilled size={11} aria-hidden />
  if (status === 'success' || status === 'done') return <IconCircleCheckFilled size={14} aria-hidden />
  if (status === 'denied' || status === 'failure') return <IconX size={14} stroke={3} aria-hidden />
  if (status === 'used' || status === 'approved') return <IconCircleCheckFilled size={14} aria-hidden />
  if (status === 'attention') return <IconAlertTriangleFilled size={14} aria-hidden />
  if (status === 'pending' || status === 'expired') return <IconClock size={14} aria-hidden />
  if (status === 'intent') return <IconCircleFilled size={8} aria-hidden />
  if (status === 'failed') return <IconX size={14} stroke={3} aria-hidden />
  if (status === 'queued') return <IconClock size={14} aria-hidden />
  return <IconSquareFilled size={10} aria-hidden />
}

/** A state: colour, sign and word together, so that none of them stands alone. */
export function Status({ status, word }: { status: string; word?: string }) {
  return (
    <span className={`status ${status}`}>
      <StatusIcon status={status} />
      {word ?? WORDS[status] ?? status}
    </span>
  )
}
