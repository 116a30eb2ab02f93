/** Python's strftime for one fixed day, as chat templates call it: English names whatever the reader's browser speaks, midnight, no time zone. */

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const two = (n: number): string => String(n).padStart(2, '0');

/** @param day as YYYY-MM-DD  @param format directives that Python does not know stay as they are */
export function strftime(day: string, format: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  const [year, month, of] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  const weekday = days[date.getUTCDay()]!;
  const name = months[month]!;
  const nth = Math.round((date.getTime() - Date.UTC(year, 0, 1)) / 86_400_000) + 1;
  const values: Readonly<Record<string, string>> = {
    a: weekday.slice(0, 3),
    A: weekday,
    w: String(date.getUTCDay()),
    u: String(date.getUTCDay() || 7),
    d: two(of),
    e: String(of).padStart(2),
    b: name.slice(0, 3),
    h: name.slice(0, 3),
    B: name,
    m: two(month + 1),
    y: two(year % 100),
    Y: String(year),
    C: two(Math.floor(year / 100)),
    j: String(nth).padStart(3, '0'),
    H: '00',
    I: '12',
    p: 'AM',
    M: '00',
    S: '00',
    f: '000000',
    z: '',
    Z: '',
    n: '\n',
    t: '\t',
    D: `${two(month + 1)}/${two(of)}/${two(year % 100)}`,
    F: `${year}-${two(month + 1)}-${two(of)}`,
    R: '00:00',
    T: '00:00:00',
    x: `${two(month + 1)}/${two(of)}/${two(year % 100)}`,
    X: '00:00:00',
    c: `${weekday.slice(0, 3)} ${name.slice(0, 3)} ${String(of).padStart(2)} 00:00:00 ${year}`,
    s: String(date.getTime() / 1000),
    '%': '%',
  };
  // "-" takes the padding away, as glibc does: %-d.
  return format.replace(/%(-?)([a-zA-Z%])/g, (whole, bare: string, directive: string) => {
    const value = values[directive];
    if (value === undefined) return whole;
    return bare ? value.replace(/^[0 ]+(?=.)/, '') : value;
  });
}
