/** Who is here. */
import { el } from '../common/dom';
import { avatar } from '../common/avatar';
import type { TalkMember } from './thread';

export const STATUSES = { online: 'Online', away: 'Away', busy: 'Busy', dnd: 'Do not disturb' } as const;
export type Status = keyof typeof STATUSES;

export const nameOf = (member: TalkMember): string =>
  typeof member.data.name === 'string' && member.data.name !== '' ? member.data.name.slice(0, 60) : member.user_id;

/** Oneself first, the others by name. */
export function peopleList(members: TalkMember[], myId: string): HTMLElement[] {
  const rank = (member: TalkMember): number => (member.user_id === myId ? 0 : 1);
  return [...members]
    .sort((one, other) => rank(one) - rank(other) || nameOf(one).localeCompare(nameOf(other)))
    .map((member) => {
      const status = STATUSES[member.status as Status] ?? member.status;
      return el(
        'li',
        { class: 'person', 'data-user': member.user_id, 'data-status': member.status },
        avatar(member.user_id, nameOf(member), member.status),
        el(
          'span',
          {},
          el('b', {}, nameOf(member), member.user_id === myId && el('small', {}, ' you')),
          el('small', {}, status),
        ),
      );
    });
}

/** "Ada is typing…" */
export function typingText(names: string[]): string {
  if (names.length === 0) return '';
  if (names.length === 1) return `${names[0]} is typing`;
  return names.length === 2 ? `${names[0]} and ${names[1]} are typing` : 'Several people are typing';
}
