// Puts the JavaScript API on the page, for the console and for scripts of the site's own.
import { Parlance, ParlanceError } from "./parlance.js";

Object.assign(globalThis, { Parlance, ParlanceError });
