// The clients of others that a page of the tests uses.
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
import * as tus from "tus-js-client";

Object.assign(window, { Uppy, Tus, tus });
