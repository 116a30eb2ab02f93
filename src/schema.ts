/**
 * zod, as every file here uses it: without code compiled at run time (`new Function`), which the page's content security policy forbids
 * and which zod otherwise tries as soon as a schema is made. Hence the one door to it; lint holds that there is no other.
 */
import * as z from 'zod/mini';

z.config({ jitless: true });

export { z };
