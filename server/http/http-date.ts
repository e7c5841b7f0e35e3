/** HTTP dates (RFC 9110, section 5.6.7): the three forms, and nothing else that a date parser would take. */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)';
const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const LONG_DAY = '(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day';

const FORMS = [
  new RegExp(`^${DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^${LONG_DAY}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
];

/**
 * Reads an HTTP date.
 *
 * @param now - decides the century of a two-digit year: none lies more than 50 years ahead
 * @returns milliseconds since 1970, or `undefined` for anything that is no HTTP date
 */
export function parseHttpDate(text: string, now: number = Date.now()): number | undefined {
  const fields = FORMS.map((form) => form.exec(text)?.groups).find((groups) => groups !== undefined);
  if (fields === undefined) return undefined;
  const { year = '', month = '', day, hour, minute, second } = fields;
  const fullYear = year.length === 4 ? Number(year) : centuryOf(Number(year), now);
  const time = new Date(0);
  time.setUTCFullYear(fullYear, MONTHS.indexOf(month), Number(day));
  time.setUTCHours(Number(hour), Number(minute), Math.min(Number(second), 59));
  const real = time.getUTCDate() === Number(day) && time.getUTCHours() === Number(hour);
  return real && time.getUTCMinutes() === Number(minute) && Number(second) <= 60 ? time.getTime() : undefined;
}

function centuryOf(twoDigits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}
