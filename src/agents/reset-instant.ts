import { DateTime, IANAZone } from 'luxon';

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Words after which providers name the instant at which a limit ends. */
const announcement =
  /(?:\bresets?(?:\s+(?:at|on))?|\btry again\s+(?:at|on|after)|\bavailable\s+(?:at|on|again at))[:\s]+/gi;
const day =
  /(?:(mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s*)?(?:(?:(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(\d{1,2})|(\d{1,2})\.?\s+(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?)(?:st|nd|rd|th)?(?:,?\s+(\d{4}))?)?/;
const clock = /(?:,?\s*(?:at\s+)?)(?:(\d{1,2})(?::(\d{2}))?(?::\d{2})?\s*([ap])\.?m\b\.?|(\d{1,2}):(\d{2}))/;
const zone = /(?:\s*\(?\s*([A-Z][A-Za-z]+(?:\/[A-Za-z_+-]+){1,2}|UTC|GMT|Z)\)?)?/;
const named = new RegExp(`^${day.source}(?:${clock.source})?${zone.source}`, 'i');

/**
 * Reads the instant at which a provider's limit ends: `resets 3pm (Europe/Paris)`, `reset at Oct 6, 5pm (UTC)`,
 * `try again at Nov 30th, 2026 9:15 PM`, `resets Mon 9:00`, an ISO time, or seconds since the epoch after a bar.
 * A time without a zone is the host's, as the programs print it.
 * @param now milliseconds since the epoch; a clock time without a day is its next one after `now`.
 * @returns milliseconds since the epoch, or undefined when the text names no instant.
 */
export function resetInstant(text: string, now: number): number | undefined {
  const epoch = /\|(\d{10})(?:\d{3})?\b/.exec(text)?.[1];
  if (epoch !== undefined) return Number(epoch) * 1_000;
  for (const { index, 0: words } of text.matchAll(announcement)) {
    const rest = text.slice(index + words.length).trimStart();
    const found = isoInstant(rest) ?? clockInstant(rest, now);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isoInstant(text: string): number | undefined {
  const iso = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?/.exec(text)?.[0];
  if (iso === undefined) return undefined;
  const parsed = DateTime.fromISO(iso.replace(' ', 'T'));
  return parsed.isValid ? parsed.toMillis() : undefined;
}

function clockInstant(text: string, now: number): number | undefined {
  const parts = named.exec(text);
  if (parts === null) return undefined;
  const [
    ,
    weekday,
    monthBefore,
    dayAfter,
    dayBefore,
    monthAfter,
    year,
    hour12,
    minute12,
    half,
    hour24,
    minute24,
    place,
  ] = parts;
  const hasTime = hour12 !== undefined || hour24 !== undefined;
  const month = months.indexOf((monthBefore ?? monthAfter ?? '').slice(0, 3).toLowerCase()) + 1;
  if (!hasTime && month === 0 && weekday === undefined) return undefined;
  const zoneName = place === undefined ? 'local' : ['z', 'gmt'].includes(place.toLowerCase()) ? 'utc' : place;
  if (zoneName !== 'local' && zoneName.toLowerCase() !== 'utc' && !IANAZone.isValidZone(zoneName)) return undefined;
  const from = DateTime.fromMillis(now, { zone: zoneName });
  const hour =
    hour12 !== undefined ? (Number(hour12) % 12) + (half?.toLowerCase() === 'p' ? 12 : 0) : Number(hour24 ?? 0);
  let found = from.set({ hour, minute: Number(minute12 ?? minute24 ?? 0), second: 0, millisecond: 0 });
  if (month > 0) {
    found = found.set({
      month,
      day: Number(dayAfter ?? dayBefore),
      year: year === undefined ? from.year : Number(year),
    });
    // A date without a year that lies far behind is next year's: limits of December end in January.
    if (year === undefined && found.diff(from, 'days').days < -180) found = found.plus({ years: 1 });
  } else if (weekday !== undefined) {
    const wanted = weekdays.indexOf(weekday.slice(0, 3).toLowerCase()) + 1;
    found = found.plus({ days: (wanted - found.weekday + 7) % 7 });
    if (found <= from) found = found.plus({ weeks: 1 });
  } else if (found <= from) {
    found = found.plus({ days: 1 });
  }
  return found.isValid ? found.toMillis() : undefined;
}
