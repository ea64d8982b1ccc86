// Makes the JavaScript API available as globals, for the console and for the site's own scripts.
import { Parlance, ParlanceError } from "./parlance.js";

Object.assign(globalThis, { Parlance, ParlanceError });
